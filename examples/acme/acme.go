// Package acme is the example mesh: a manifest over three databases of an outdoor retailer. Its
// folders hold what fills and changes the databases (seed) and an account of what every view must
// equal at rest, computed by SQL and not by the product (oracle).
package acme

import _ "embed"

//go:embed mesh.yaml
var manifest string

// Manifest is the text of the mesh's manifest.
func Manifest() string { return manifest }

// Databases are the connection URLs of the three systems.
type Databases struct{ ERP, PIM, WMS string }

// Env gives the environment variables that the manifest refers to, as name=value.
func (d Databases) Env() []string {
	return []string{"ERP_DATABASE_URL=" + d.ERP, "PIM_DATABASE_URL=" + d.PIM, "WMS_DATABASE_URL=" + d.WMS}
}
