package topics

import "strconv"

// Names gives the topic names of a mesh; its value is the mesh's name.
type Names string

// Raw is the topic of a stream's envelopes.
func (n Names) Raw(system, stream string) string { return string(n) + ".raw." + system + "." + stream }

// RawID is Raw for a stream id "<system>.<stream>".
func (n Names) RawID(streamID string) string { return string(n) + ".raw." + streamID }

// Contributions is the topic of an entity's contributions in generation g; generation 1 has no
// suffix.
func (n Names) Contributions(entity string, g uint32) string {
	return string(n) + ".entity." + entity + ".contributions" + suffix(g)
}

// View is the topic that stores follow; ViewOf is the one that generation g is built in.
func (n Names) View(entity string) string { return string(n) + ".view." + entity }

// ViewOf is the topic of a view's generation g; generation 1 is the plain one.
func (n Names) ViewOf(entity string, g uint32) string { return n.View(entity) + suffix(g) }

// Keys is the topic of what each source row of a stream last contributed to.
func (n Names) Keys(streamID string, g uint32) string {
	return string(n) + ".state.keys." + streamID + suffix(g)
}

// DLQ is the dead-letter topic of a stage: ingest, normalize, resolve.
func (n Names) DLQ(stage string) string { return string(n) + ".dlq." + stage }

// Conflicts is the topic of open and resolved conflicts.
func (n Names) Conflicts() string { return string(n) + ".conflicts" }

// Changes is the topic of field changes.
func (n Names) Changes() string { return string(n) + ".changes" }

// Telemetry is the topic of the stages' samples.
func (n Names) Telemetry() string { return string(n) + ".telemetry" }

// Positions is the topic of stream and connection positions.
func (n Names) Positions() string { return string(n) + ".state.positions" }

// Claims is the topic of watermarks.
func (n Names) Claims() string { return string(n) + ".state.claims" }

// Requests is the topic of what operators asked.
func (n Names) Requests() string { return string(n) + ".state.requests" }

// Connections is the topic, without records, by whose partitions connections are placed.
func (n Names) Connections() string { return string(n) + ".state.connections" }

func suffix(g uint32) string {
	if g <= 1 {
		return ""
	}
	return ".g" + strconv.FormatUint(uint64(g), 10)
}
