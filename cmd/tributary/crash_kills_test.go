//go:build !full

package main

const kills = 10 // a hundred with -tags full
