//go:build full

package main

const kills = 100
