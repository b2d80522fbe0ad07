package reference_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// TestMain draws 1,000 cases instead of rapid's 100, unless -rapid.checks says another number.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "1000"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	flag.Parse()
	os.Exit(m.Run())
}
