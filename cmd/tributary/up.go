package main

import (
	"context"

	"github.com/spf13/cobra"

	"tributary/node"
)

func (c *cli) up() *cobra.Command {
	var o node.Options
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the whole mesh in this process",
		Long: `Run the whole mesh in this process: capture, resolution, views and gateway, with the parts that
the manifest calls embedded. It prints one line "ready gateway=… registry=… kafka=… clickhouse=…"
when all views have caught up for the first time, and ends cleanly on Ctrl-C.`,
		Example: "  tributary up -f mesh.yaml\n  tributary up -f mesh/ --data /var/lib/tributary --gateway-addr 127.0.0.1:9000",
		Args:    arguments(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.start(cmd.Context(), o) },
	}
	addrFlags(cmd, &o.Addrs)
	cmd.Flags().BoolVar(&o.Rebuild, "rebuild", false, "derive the views anew where the manifest changed")
	return cmd
}

func (c *cli) run() *cobra.Command {
	var o node.Options
	var roles string
	cmd := &cobra.Command{
		Use:     "run --roles=ROLE,…",
		Short:   "Run some roles of a mesh in this process",
		Example: "  tributary run --roles=ingest -f mesh.yaml --data /var/lib/tributary-ingest\n  tributary run --roles=process,sink,serve -f mesh.yaml",
		Args:    arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.Roles, err = node.ParseRoles(roles); err != nil {
				return usage("%w", err)
			}
			return c.start(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&roles, "roles", "ingest,process,sink,serve", "what this process does: ingest, process, sink, serve")
	addrFlags(cmd, &o.Addrs)
	cmd.Flags().BoolVar(&o.Rebuild, "rebuild", false, "derive the views anew where the manifest changed")
	return cmd
}

func addrFlags(cmd *cobra.Command, a *node.Addrs) {
	f := cmd.Flags()
	f.StringVar(&a.Gateway, "gateway-addr", "", "address of the gateway (default "+node.DefaultAddrs.Gateway+")")
	f.StringVar(&a.Registry, "registry-addr", "", "address of the embedded registry (default "+node.DefaultAddrs.Registry+")")
	f.StringVar(&a.Admin, "admin-addr", "", "address of metrics and profiles (default "+node.DefaultAddrs.Admin+")")
	f.StringVar(&a.Kafka, "kafka-addr", "", "address of the embedded broker (default "+node.DefaultAddrs.Kafka+")")
	f.StringVar(&a.ClickHouse, "clickhouse-addr", "", "address of the embedded ClickHouse (default "+node.DefaultAddrs.ClickHouse+")")
}

func (c *cli) start(ctx context.Context, o node.Options) error {
	m, err := c.load()
	if err != nil {
		return err
	}
	o.Mesh, o.DataDir, o.Stdout, o.Log = m, c.data, c.stdout, c.log()
	return node.Run(ctx, o)
}
