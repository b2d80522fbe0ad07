package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tributary/ingest/postgres"
	"tributary/mesh"
	"tributary/node"
)

// A doctorReport is what doctor found.
type doctorReport struct {
	OK       bool           `json:"ok"` // nothing fails
	Mesh     string         `json:"mesh"`
	Findings []node.Finding `json:"findings"`
}

func (c *cli) doctor() *cobra.Command {
	var addrs node.Addrs
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look whether everything that the mesh needs is there",
		Long: `Look at everything that the mesh needs, and tell what would mend it, ready to paste: of each
database its version, log level, rights, tables, keys and slot; of this machine the data folder,
the disk, the ports, the ClickHouse engine; of a running embedded broker its size. It changes
nothing.

Exit code 0: nothing fails (warnings are told); 1: something does.`,
		Example: `  tributary doctor -f mesh/
  tributary doctor -f mesh/ -o json | jq -r '.findings[] | select(.level == "fail") | .mend'`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := c.loadUnresolved()
			if err != nil {
				return err
			}
			report := doctorReport{Mesh: m.Name, Findings: unresolved(m)}
			report.Findings = append(report.Findings, node.Doctor(cmd.Context(), node.Options{Mesh: m, DataDir: c.data, Addrs: addrs})...)
			report.OK = true
			for _, f := range report.Findings {
				report.OK = report.OK && f.Level != postgres.Fail
			}
			return c.printDoctor(&report)
		},
	}
	addrFlags(cmd, &addrs)
	return cmd
}

// unresolved gives the secrets of the mesh their values. Variables that are not set are
// findings, and their systems are left out.
func unresolved(m *mesh.Mesh) []node.Finding {
	out := []node.Finding{}
	take := func(subject string, s *mesh.Secret) bool {
		resolved, err := resolve(*s, os.LookupEnv)
		if err != nil {
			out = append(out, node.Finding{Level: postgres.Fail, Subject: subject, Text: err.Error(), Mend: "export it, as the manifest says " + s.Ref})
			return false
		}
		*s = resolved
		return true
	}
	take("kafka", &m.Kafka.SASL.Username)
	take("kafka", &m.Kafka.SASL.Password)
	take("registry", &m.Registry.Username)
	take("registry", &m.Registry.Password)
	take("clickhouse", &m.Analytics.ClickHouse)
	var known []*mesh.System
	for _, s := range m.Systems {
		if take("system "+s.Name, &s.Connection) {
			known = append(known, s)
		}
	}
	m.Systems = known
	return out
}

func (c *cli) printDoctor(r *doctorReport) error {
	if c.json() {
		if err := c.printJSON(r); err != nil {
			return err
		}
	} else {
		p := paintFor(c.stdout)
		counts := map[postgres.Level]int{}
		for _, f := range r.Findings {
			counts[f.Level]++
			fmt.Fprintf(c.stdout, "%s  %s: %s\n", p.level(f.Level), f.Subject, indented(f.Text))
			if f.Mend != "" {
				fmt.Fprintln(c.stdout, "      "+p.bold(indented(f.Mend)))
			}
		}
		fmt.Fprintf(c.stdout, "\n%d ok, %s, %d failed\n", counts[postgres.OK], count(counts[postgres.Warn], "warning"), counts[postgres.Fail])
	}
	if !r.OK {
		return &exitError{code: exitFailed}
	}
	return nil
}

// level writes how bad a finding is, in four columns.
func (p paint) level(l postgres.Level) string {
	switch l {
	case postgres.OK:
		return p.good("ok  ")
	case postgres.Warn:
		return p.warn("warn")
	}
	return p.bad("fail")
}

// indented puts further lines of a text below its first.
func indented(text string) string {
	return strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n      ")
}
