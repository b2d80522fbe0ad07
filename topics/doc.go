// Package topics is Kafka: the names of topics, the layout of keys and headers, clients, the
// embedded broker, and the compacted topics that hold the mesh's own state (positions, claims,
// requests). It keeps I4's and I13's ground: watermarks and positions have one encoding here.
package topics
