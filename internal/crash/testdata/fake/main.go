// Command fake stands in for tributary in the tests of the harness: it announces itself as soon as
// the file it is given exists, ends in order on SIGTERM, and dies by itself where it is told to.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	if os.Args[1] == "die" {
		fmt.Fprintln(os.Stderr, "the disk is full")
		os.Exit(3)
	}
	for {
		if _, err := os.Stat(os.Args[1]); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Printf("some other line\nready gateway=http://%s registry=none %s\n", os.Args[2], kind)
	<-term
	fmt.Println("drained")
}
