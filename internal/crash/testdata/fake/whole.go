//go:build !broken_i1

package main

const kind = "kind=whole"
