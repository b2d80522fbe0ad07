package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tributary/ingest"
	"tributary/mesh"
	"tributary/node"
)

// A checkReport is what check found.
type checkReport struct {
	OK       bool        `json:"ok"`
	Mesh     string      `json:"mesh,omitempty"`
	Faults   mesh.Faults `json:"faults"`
	Problems []problem   `json:"problems"` // of systems, with --connect
	Warnings []string    `json:"warnings"`
	counts   string
}

// A problem keeps check from knowing a system's columns.
type problem struct {
	System  string `json:"system"`
	Subject string `json:"subject,omitempty"`
	Text    string `json:"text"`
	Mend    string `json:"mend,omitempty"`
}

func (c *cli) check() *cobra.Command {
	var connect bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the manifest, and its expressions against the databases",
		Long: `Check the manifest and report every fault at once, as file:line:column with what would be right.
Without --connect nothing is connected to and no secret is needed, so it runs in any pipeline.
With --connect it asks the databases for their columns, too, and type-checks every expression
against them; it changes nothing there.

Exit code 0: all is well (warnings are told); 1: there are faults.`,
		Example: `  tributary check -f mesh/
  tributary check -f mesh/ --connect
  tributary check -f mesh/ -o json | jq -r '.faults[] | "\(.file):\(.line): \(.what)"'`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := c.checkManifest(cmd.Context(), connect)
			if err != nil {
				return err
			}
			return c.printCheck(report)
		},
	}
	cmd.Flags().BoolVar(&connect, "connect", false, "ask the databases for their columns and type-check every expression")
	return cmd
}

func (c *cli) checkManifest(ctx context.Context, connect bool) (*checkReport, error) {
	report := &checkReport{Faults: mesh.Faults{}, Problems: []problem{}, Warnings: []string{}}
	m, err := c.loadUnresolved()
	if errors.As(err, &report.Faults) {
		return report, nil
	}
	if err != nil {
		return nil, err
	}
	report.Mesh, report.Warnings = m.Name, append(report.Warnings, warnings(m)...)
	streams := 0
	for _, s := range m.Systems {
		streams += len(s.Streams)
	}
	report.counts = fmt.Sprintf("%s, %s, %s", count(len(m.Systems), "system"), count(streams, "stream"), count(len(m.Entities), "entity"))
	if connect {
		report.connect(ctx, m)
	}
	report.OK = len(report.Faults) == 0 && len(report.Problems) == 0
	return report, nil
}

// connect adds what the databases tell.
func (r *checkReport) connect(ctx context.Context, m *mesh.Mesh) {
	for _, s := range m.Systems {
		var err error
		if s.Connection, err = resolve(s.Connection, os.LookupEnv); err != nil {
			r.Problems = append(r.Problems, problem{System: s.Name, Text: err.Error(), Mend: "export it, or check without --connect"})
		}
	}
	if len(r.Problems) > 0 {
		return
	}
	faults, failed := node.CheckColumns(ctx, m)
	r.Faults = append(r.Faults, faults...)
	for _, f := range failed {
		for _, err := range each(f.Err) {
			p := problem{System: f.System, Text: strings.TrimPrefix(err.Error(), "system "+f.System+": ")}
			var fault *ingest.Fault
			if errors.As(err, &fault) {
				p.Subject, p.Text, p.Mend = fault.Subject, fault.Problem, fault.Mend
			}
			r.Problems = append(r.Problems, p)
		}
	}
}

// each gives the errors that were joined into one.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// warnings tells what is no fault and yet worth a look.
func warnings(m *mesh.Mesh) []string {
	var out []string
	used := map[*mesh.Stream]bool{}
	for _, e := range m.Entities {
		for _, s := range e.Streams() {
			used[s] = true
		}
	}
	for _, s := range m.Systems {
		for _, stream := range s.Streams {
			if !used[stream] {
				out = append(out, fmt.Sprintf("%s: no entity uses the stream %s; it is captured to its raw topic alone", stream.Pos, stream.ID()))
			}
		}
	}
	for _, name := range references(m) {
		if os.Getenv(name) == "" {
			out = append(out, fmt.Sprintf("environment variable %s is not set; up, doctor and check --connect need it", name))
		}
	}
	return out
}

// references lists the environment variables that the manifest's secrets refer to.
func references(m *mesh.Mesh) []string {
	secrets := []mesh.Secret{m.Kafka.SASL.Username, m.Kafka.SASL.Password, m.Registry.Username, m.Registry.Password, m.Views.Store, m.Analytics.ClickHouse}
	for _, s := range m.Systems {
		secrets = append(secrets, s.Connection)
	}
	var names []string
	for _, s := range secrets {
		for _, match := range reference.FindAllStringSubmatch(s.Ref, -1) {
			if !slices.Contains(names, match[1]) {
				names = append(names, match[1])
			}
		}
	}
	return names
}

func (c *cli) printCheck(r *checkReport) error {
	failed := &exitError{code: exitFailed}
	if c.json() {
		if err := c.printJSON(r); err != nil || r.OK {
			return err
		}
		return failed
	}
	p := paintFor(c.stderr)
	for _, f := range r.Faults {
		fmt.Fprintln(c.stderr, f)
	}
	for _, f := range r.Problems {
		subject := f.Subject
		if subject == "" {
			subject = "system " + f.System
		}
		fmt.Fprintln(c.stderr, p.bad(subject+": ")+f.Text)
		if f.Mend != "" {
			fmt.Fprintln(c.stderr, "  mend: "+strings.ReplaceAll(f.Mend, "\n", "\n  "))
		}
	}
	for _, w := range r.Warnings {
		fmt.Fprintln(c.stderr, p.warn("warning: ")+w)
	}
	if !r.OK {
		fmt.Fprintln(c.stderr, p.bad(count(len(r.Faults)+len(r.Problems), "fault")))
		return failed
	}
	fmt.Fprintf(c.stdout, "mesh %s is fine: %s\n", r.Mesh, r.counts)
	return nil
}

// count writes a number of things.
func count(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "y"):
		what = strings.TrimSuffix(what, "y") + "ie"
	}
	return fmt.Sprintf("%d %ss", n, what)
}
