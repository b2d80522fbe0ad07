package main

import (
	"os"

	"github.com/spf13/cobra"

	"tributary/node/demo"
)

func (c *cli) demo() *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the example mesh on three Postgres databases of its own",
		Long: `Run the example mesh (an outdoor retailer's ERP, PIM and WMS) on three real Postgres databases that
this command starts and fills itself, and keep changing them as a business would. It shows how the
mesh follows, and prints what to try. Everything lies in the folder --data: a second run goes on
where the first ended, and removing the folder removes the demo.`,
		Example: "  tributary demo\n  tributary demo --products 137000 --data /var/tmp/demo\n  tributary demo --no-changes -o json",
		Args:    arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Dir, o.JSON, o.Verbose, o.Program = c.data, c.json(), c.verbose, os.Args[0]
			if !cmd.Flags().Changed("data") {
				o.Dir = ".demo"
			}
			o.Stdout, o.Stderr = c.stdout, c.stderr
			return demo.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().IntVar(&o.Products, "products", demo.DefaultProducts, "number of products that the databases hold at least")
	cmd.Flags().BoolVar(&o.Idle, "no-changes", false, "leave the databases as they are")
	addrFlags(cmd, &o.Addrs)
	return cmd
}
