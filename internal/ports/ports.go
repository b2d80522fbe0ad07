// Package ports finds free ports on loopback for servers that must find them free again when they
// restart.
package ports

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The range lies below the one from which Linux gives out ports to those who ask for any, so that
// no passing connection takes the port of a server that is down for a moment.
const (
	first, last = 20000, 32000
	tries       = 100
)

// Free gives a host:port on 127.0.0.1 on which nobody listens now.
func Free() (string, error) {
	port, err := Number()
	if err != nil {
		return "", err
	}
	return address(port), nil
}

// Number gives a port alone, as Free finds it.
func Number() (int, error) {
	var err error
	for range tries {
		port := first + rand.IntN(last-first)
		var listener net.Listener
		if listener, err = net.Listen("tcp", address(port)); err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("find a free port on loopback from %d to %d: %w", first, last, err)
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
