package mesh

const (
	durationDoc = " A duration: 500ms, 10s, 5m, 1h30m, 7d."
	secretDoc   = " Give secrets by reference: ${NAME}."
)

func headerShape() shape {
	return shape{"the mesh's header", "mesh", "What holds for the whole mesh. One document of the manifest is this one.", []key{
		need(key{name: "apiVersion", doc: "Version of the manifest's format: " + apiVersion + ".", value: choice(apiVersion)}),
		need(key{name: "mesh", doc: "Name of the mesh; it prefixes every topic.", value: name()}),
		{name: "kafka", doc: "The broker. Default: embedded.", value: ref(kafkaShape())},
		{name: "registry", doc: "The schema registry. Default: embedded.", value: ref(registryShape())},
		{name: "views", doc: "The view store. Default: sqlite.", value: ref(viewsShape())},
		{name: "analytics", doc: "The ClickHouse server, or none. Default: embedded.", value: schema{"anyOf": []schema{choice(none), ref(analyticsShape())}}},
		{name: "topics", doc: "Defaults for topics.", value: ref(topicsShape())},
		{name: "maxOutage", doc: "How long a stateful consumer may be away and still resume. Default: 7d." + durationDoc, value: duration()},
		{name: "addrs", doc: "Listening addresses, host:port. Command-line flags win over them.", value: ref(addrsShape())},
	}}
}

func kafkaShape() shape {
	return shape{"kafka", "kafka", "The broker.", []key{
		{name: "bootstrap", doc: "embedded, or host:port,host:port of a Kafka cluster.", value: text()},
		{name: "tls", doc: "Whether to connect with TLS.", value: flag()},
		{name: "sasl", doc: "Credentials for the broker.", value: ref(saslShape())},
	}}
}

func saslShape() shape {
	return shape{"sasl", "sasl", "Credentials for the broker." + secretDoc, []key{
		need(key{name: "mechanism", doc: "SASL mechanism.", value: choice(saslMechanisms()...)}),
		need(key{name: "username", doc: "User name, or a reference to it.", value: text()}),
		need(key{name: "password", doc: "Reference to the password: ${NAME}.", value: matching(onlyRefs.String())}),
	}}
}

func saslMechanisms() []string { return []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} }

func registryShape() shape {
	return shape{"registry", "registry", "The schema registry.", []key{
		{name: "url", doc: "embedded, or the URL of a Confluent-compatible registry.", value: text()},
		{name: "username", doc: "User name, or a reference to it.", value: text()},
		{name: "password", doc: "Reference to the password: ${NAME}.", value: matching(onlyRefs.String())},
	}}
}

func viewsShape() shape {
	return shape{"views", "views", "The view store.", []key{
		{name: "store", doc: "sqlite, or a postgres:// URL." + secretDoc, value: text()},
	}}
}

func analyticsShape() shape {
	return shape{"analytics", "analytics", "The ClickHouse server for telemetry.", []key{
		{name: "clickhouse", doc: "embedded, none, or a clickhouse:// URL." + secretDoc, value: text()},
	}}
}

func topicsShape() shape {
	return shape{"topics", "topics", "Defaults for topics.", []key{
		{name: "partitions", doc: "Partitions of each data topic. Default: 4 embedded, 12 on Kafka.",
			value: schema{"type": "integer", "minimum": 1, "maximum": maxPartitions}},
	}}
}

func addrsShape() shape {
	s := shape{name: "addrs", def: "addrs", doc: "Listening addresses."}
	for _, a := range []struct{ name, port string }{{"gateway", "8080"}, {"registry", "8081"}, {"admin", "8082"}, {"kafka", "9092"}, {"clickhouse", "8123"}} {
		s.keys = append(s.keys, key{name: a.name, doc: "host:port; port 0 takes a free one. Default: 127.0.0.1:" + a.port + ".", value: addr()})
	}
	return s
}

func systemShape() shape {
	return shape{"a system", "system", "An upstream: a database that a team owns, and the streams captured from it.", []key{
		need(key{name: "system", doc: "Name of the system.", value: name()}),
		need(key{name: "kind", doc: "What the system is.", value: choice(Kinds()...)}),
		need(key{name: "connection", doc: "How to connect, for postgres a URL." + secretDoc, value: text()}),
		{name: "owner", doc: "Who answers for the system: an address of a team.", value: text()},
		need(key{name: "streams", doc: "The streams to capture, by name.", value: mapOf(name(), ref(streamShape()))}),
	}}
}

func streamShape() shape {
	return shape{"a stream", "stream", "One table of a system, captured to its raw topic.", []key{
		need(key{name: "table", doc: `SQL name of the table: public.material, "Odd Schema"."T".`, value: text()}),
		{name: "before", doc: "Whether envelopes carry the old row too, where the source gives it. Default: false.", value: flag()},
	}}
}

func entityShape() shape {
	return shape{"an entity", "entity", "A business object: its fields, how each is chosen, and what contributes to it.", []key{
		need(key{name: "entity", doc: "Name of the entity.", value: name()}),
		{name: "plural", doc: "Plural of the name, for REST and GraphQL. Default: the English one.", value: name()},
		need(key{name: "key", doc: "The field that is the entity's id. Its type is string, int or uuid.", value: name()}),
		{name: "owner", doc: "Who answers for the entity: an address of a team.", value: text()},
		{name: "description", doc: "What the entity is, for readers of the API.", value: text()},
		need(key{name: "fields", doc: "The entity's fields, by name.", value: mapOf(name(), ref(fieldShape()))}),
		{name: "relations", doc: "Ways to other entities, by name.", value: mapOf(name(), ref(relationShape()))},
		need(key{name: "contributions", doc: "Which rows say something about the entity, and what.", value: listOf(ref(contributionShape()))}),
	}}
}

func fieldShape() shape {
	return shape{"a field", "field", "A field of an entity, and the rule that chooses its value.", []key{
		need(key{name: "type", doc: "string, int, float, bool, decimal(12,2), timestamp, date, uuid, json, bytes, enum(a,b) or list<string>.", value: matching(`^\s*(string|int|float|bool|timestamp|date|uuid|json|bytes|decimal\s*\(.+\)|enum\s*\(.+\)|list<.+>)\s*$`)}),
		{name: "required", doc: "The entity is published only when this field has a value. Default: false; the key always is.", value: flag()},
		{name: "unique", doc: "No two entities should have the same value: a violation is counted, and a look-up by it is ambiguous.", value: flag()},
		{name: "localized", doc: "The field has a value for each locale; contributions set {locale: value}.", value: flag()},
		{name: "owner", doc: "The system (or system.stream) whose value counts. Short for rule: owner, from: [it].", value: text()},
		{name: "rule", doc: "How the value is chosen among contributions.", value: choice(ruleNames()...)},
		{name: "from", doc: "Systems or streams (system.stream) that take part; for priority in falling rank.", value: listOf(text())},
		{name: "group", doc: "The lead field: this field takes its value from the contribution that won the lead.", value: name()},
		{name: "freshness", doc: "Bounds of staleness.", value: ref(freshnessShape())},
		{name: "classification", doc: "pii: masked in logs, metrics and telemetry.", value: choice(classifications()...)},
		{name: "validate", doc: "CEL over value; a row for which it is false is a dead letter.", value: expression()},
		{name: "description", doc: "What the field is, for readers of the API.", value: text()},
		{name: "deprecated", doc: "Why not to use the field any more, and what instead.", value: text()},
	}}
}

func ruleNames() []string {
	return []string{string(Owner), string(Priority), string(MostRecent), string(Min), string(Max), string(Sum), string(Count)}
}

func classifications() []string { return []string{"pii"} }

func freshnessShape() shape {
	return shape{"freshness", "freshness", "Bounds of staleness.", []key{
		{name: "warn", doc: "Staleness above which to warn." + durationDoc, value: duration()},
		{name: "error", doc: "Staleness above which the bound is broken." + durationDoc, value: duration()},
	}}
}

func relationShape() shape {
	return shape{"a relation", "relation", "A way from this entity to others.", []key{
		need(key{name: "entity", doc: "The entity it leads to.", value: name()}),
		need(key{name: "on", doc: "{ field of the other entity: field of this entity } whose values are equal.",
			value: schema{"type": "object", "propertyNames": name(), "additionalProperties": name(), "minProperties": 1, "maxProperties": 1}}),
		{name: "one", doc: "Whether it leads to one at most. Default: true where on names the other entity's key.", value: flag()},
	}}
}

func contributionShape() shape {
	return shape{"a contribution", "contribution", "How the rows of a stream speak about this entity.", []key{
		need(key{name: "from", doc: "The stream: system.stream.", value: matching(`^[^.]+\.[^.]+$`)}),
		need(key{name: "key", doc: "CEL over row: the entity's id.", value: expression()}),
		{name: "when", doc: "CEL over row: false retracts. Default: every row counts.", value: expression()},
		{name: "at", doc: "CEL over row: the source time, for most_recent. Default: the time of the commit.", value: expression()},
		{name: "set", doc: "The fields that a row sets: CEL over row, for localized fields \"{row.locale: row.title}\".", value: mapOf(name(), expression())},
		{name: "name", doc: "Name of this block among the entity's. Default: the stream, with #2, #3 … when it stands more than once.", value: matching(blockPattern.String())},
	}}
}
