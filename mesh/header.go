package mesh

import (
	"net"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// none as the analytics server means that there is no telemetry.
const none = "none"

const maxPartitions = 10_000

// readHeader reads the document that holds for the whole mesh.
func (d *draft) readHeader(r *reader, n *yaml.Node) {
	if d.header.node != nil {
		first := d.header.r.pos(d.header.node)
		r.fault(n, "the manifest has two headers", "the first is at "+first.String()+": merge them")
		return
	}
	o := r.object(n, headerShape())
	d.header = o
	o.choice("apiVersion", []string{apiVersion})
	m := d.mesh
	m.Name = o.name("mesh", "mesh")
	m.Kafka = readKafka(o.object("kafka", kafkaShape()))
	m.Registry = readRegistry(o.object("registry", registryShape()))
	m.Views = readViews(o.object("views", viewsShape()))
	m.Analytics = readAnalytics(o)
	m.Topics.Partitions = int32(o.object("topics", topicsShape()).number("partitions", 1, maxPartitions))
	if o.has("maxOutage") {
		m.MaxOutage = o.duration("maxOutage")
	}
	m.Addrs = readAddrs(o.object("addrs", addrsShape()))
}

func readKafka(o object) Kafka {
	k := Kafka{Bootstrap: Embedded, TLS: o.flag("tls")}
	if o.has("bootstrap") {
		k.Bootstrap = o.plain("bootstrap")
		for _, a := range strings.Split(k.Bootstrap, ",") {
			if k.Bootstrap != Embedded && k.Bootstrap != "" && !strings.Contains(k.Bootstrap, "${") && !isHostPort(strings.TrimSpace(a), false) {
				o.r.fault(o.at("bootstrap"), "bootstrap must be embedded or host:port,host:port", "write kafka1:9092,kafka2:9092")
				break
			}
		}
	}
	s := o.object("sasl", saslShape())
	k.SASL = SASL{s.choice("mechanism", saslMechanisms()), s.secret("username"), s.password("password")}
	if k.Bootstrap == Embedded && (k.TLS || o.has("sasl")) {
		o.r.fault(o.node, "the embedded broker takes neither tls nor sasl", "name the brokers in bootstrap, or remove them")
	}
	return k
}

func readRegistry(o object) Registry {
	reg := Registry{URL: Embedded, Username: o.secret("username"), Password: o.password("password")}
	if o.has("url") {
		reg.URL = o.address("url", []string{Embedded}, []string{"http://", "https://"}).Reveal()
		_, host, _ := strings.Cut(reg.URL, "://")
		if host, _, _ = strings.Cut(host, "/"); strings.Contains(host, "@") {
			o.r.literalSecret(o.at("url"), "url holds credentials; they belong into username and password")
			reg.URL = ""
		}
	}
	return reg
}

func readViews(o object) Views {
	if !o.has("store") {
		return Views{NewSecret(sqlite, sqlite)}
	}
	return Views{o.address("store", []string{sqlite}, postgresSchemes())}
}

// sqlite is the embedded view store.
const sqlite = "sqlite"

func readAnalytics(header object) Analytics {
	n := header.values["analytics"]
	switch {
	case n == nil:
		return Analytics{NewSecret(Embedded, Embedded)}
	case n.Kind == yaml.ScalarNode && n.Value == none:
		return Analytics{NewSecret(none, none)}
	}
	o := header.object("analytics", analyticsShape())
	if !o.has("clickhouse") {
		return Analytics{NewSecret(Embedded, Embedded)}
	}
	return Analytics{o.address("clickhouse", []string{Embedded, none}, []string{"clickhouse://", "http://", "https://"})}
}

func readAddrs(o object) Addrs {
	var a Addrs
	for name, to := range map[string]*string{"gateway": &a.Gateway, "registry": &a.Registry, "admin": &a.Admin, "kafka": &a.Kafka, "clickhouse": &a.ClickHouse} {
		*to = o.plain(name)
		if *to != "" && !strings.Contains(*to, "${") && !isHostPort(*to, true) {
			o.r.fault(o.at(name), name+" must be host:port", "write 127.0.0.1:8080, or :0 for a free port")
		}
	}
	return a
}

// isHostPort says whether a is host:port; a listening address may lack the host and have port 0.
func isHostPort(a string, listen bool) bool {
	host, port, err := net.SplitHostPort(a)
	if err != nil || host == "" && !listen {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && (n > 0 || listen)
}
