// Package graphql serves the views of a mesh over GraphQL. In come HTTP requests; each document
// is parsed and validated once and compiled to one store statement a root field; out go answers
// put together from the bytes that the store wrote. Every object can tell its freshness (I10),
// taken before its rows were read (I4).
package graphql
