package ports_test

import (
	"net"
	"testing"

	"tributary/internal/ports"
)

func TestFreeCanBeListenedOn(t *testing.T) {
	addr, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
}
