//go:build !full

package main

import "time"

const outage = 5 * time.Second // a minute with -tags full

func (f *fleet) more() []trouble { return nil }
