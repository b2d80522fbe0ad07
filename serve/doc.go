// Package serve is the gateway: one HTTP handler over the views of a mesh. Out of a view store
// and a freshness tracker come GraphQL at /graphql, REST under /v1, their schemas, and the
// process's health. Every answer tells how fresh it is (I10); none tells secrets (I11).
package serve
