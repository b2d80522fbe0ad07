package main

import (
	_ "embed"
	"strings"

	"tributary/examples/acme"
)

//go:embed meshes/three.yaml
var threeManifest string

//go:embed meshes/drain.yaml
var drainManifest string

// embeddedKafka makes tributary start its own broker.
const embeddedKafka = "embedded"

// threeMesh is the manifest of one entity over three databases, on the embedded broker or one at
// host:port.
func threeMesh(kafka string) string { return strings.ReplaceAll(threeManifest, "$KAFKA", kafka) }

// drainMesh captures pgbench's tables under the mesh's own name.
func drainMesh(name, kafka string) string {
	return strings.NewReplacer("$MESH", name, "$KAFKA", kafka).Replace(drainManifest)
}

// acmeMesh is the example's manifest without analytics.
func acmeMesh() string {
	return strings.Replace(acme.Manifest(), "{ clickhouse: embedded }", "{ clickhouse: none }", 1)
}
