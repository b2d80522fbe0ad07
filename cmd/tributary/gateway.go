package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tributary/node"
	"tributary/serve/rest"
)

// askWithin bounds one request to a gateway.
const askWithin = 15 * time.Second

// maxAnswer bounds what is read of a gateway's answer.
const maxAnswer = 64 << 20

// A gateway is where a running mesh answers.
type gateway struct {
	addr   string // as given by the flag
	client http.Client
}

func (g *gateway) flag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&g.addr, "gateway-addr", "", "address of the running gateway (default: of the mesh over --data, the manifest's, "+node.DefaultAddrs.Gateway+")")
}

// url finds the gateway: the flag's address, that of the process over the data folder, the
// manifest's, the default.
func (g *gateway) url(c *cli) (string, error) {
	addr := g.addr
	if addr == "" {
		running, ok, err := node.FindRunning(c.data)
		if err != nil {
			return "", err
		}
		if ok {
			addr = running.Addrs.Gateway
		}
	}
	if addr == "" {
		m, err := c.loadUnresolved()
		var none *exitError // no manifest here: the default will do
		if err != nil && !errors.As(err, &none) {
			return "", err
		}
		if m != nil {
			addr = m.Addrs.Gateway
		}
	}
	if addr == "" {
		addr = node.DefaultAddrs.Gateway
	}
	if !strings.Contains(addr, "://") {
		addr = "http://" + addr
	}
	return strings.TrimSuffix(addr, "/"), nil
}

// ask reads the JSON that the gateway answers to a path. Its problems become errors.
func (g *gateway) ask(ctx context.Context, base, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return usage("%s is no address of a gateway: write host:port", base)
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return &silentError{base, err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("answer of the gateway at %s: %w", base, err)
	}
	if resp.StatusCode != http.StatusOK {
		var p rest.Problem
		if json.Unmarshal(body, &p) != nil || p.Detail == "" {
			return fmt.Errorf("what answers at %s is no gateway of this version (HTTP %d): name the right address with --gateway-addr", base, resp.StatusCode)
		}
		return errors.New(p.Detail)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("what answers at %s is no Tributary gateway: name the right address with --gateway-addr", base)
	}
	return nil
}

// A silentError says that nothing answers at an address.
type silentError struct {
	base  string
	cause error
}

func (e *silentError) Error() string {
	return fmt.Sprintf("no gateway answers at %s: start the mesh with tributary up, or say where it runs with --gateway-addr (or --data, its folder)\n  %v", e.base, e.cause)
}

func (e *silentError) Unwrap() error { return e.cause }
