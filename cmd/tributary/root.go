package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"tributary/mesh"
)

// A cli holds what all commands share.
type cli struct {
	stdout, stderr io.Writer
	manifest       []string
	data           string
	output         string
	verbose        bool
}

// execute runs a command line and gives the exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c := &cli{stdout: stdout, stderr: stderr}
	root := c.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil || errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return exitFine
	}
	var exit *exitError
	if errors.As(err, &exit) {
		if exit.err != nil {
			fmt.Fprintln(stderr, "tributary:", exit.err)
		}
		return exit.code
	}
	fmt.Fprintln(stderr, "tributary:", err)
	return exitFailed
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "tributary",
		Short: "A data mesh from the databases you already run",
		Long: `Tributary captures changes of databases, resolves who owns each field of each business
entity, and serves the result over GraphQL and REST with a provable answer to how fresh it is.`,
		SilenceErrors: true, SilenceUsage: true,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := root.PersistentFlags()
	f.StringArrayVarP(&c.manifest, "file", "f", nil, "manifest: a file or a folder (default: mesh.yaml, else mesh/)")
	f.StringVar(&c.data, "data", ".tributary", "data folder")
	f.StringVarP(&c.output, "output", "o", "text", "output: text or json")
	f.BoolVarP(&c.verbose, "verbose", "v", false, "log details")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage("%w; see %s --help", err, cmd.CommandPath()) })
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if c.output != "text" && c.output != "json" {
			return usage("unknown output %q: use text or json", c.output)
		}
		return nil
	}
	root.AddCommand(c.snapshot(), c.dlq(), c.topics(), c.up(), c.run(), c.demo())
	root.AddCommand(c.check(), c.doctor(), c.gen(), c.lag(), c.status(), c.why())
	return root
}

// load reads the manifest.
func (c *cli) load() (*mesh.Mesh, error) {
	paths, err := c.paths()
	if err != nil {
		return nil, err
	}
	return mesh.Load(paths, os.LookupEnv)
}

// log writes JSON lines, or readable ones on a terminal.
func (c *cli) log() zerolog.Logger {
	level := zerolog.InfoLevel
	if c.verbose {
		level = zerolog.DebugLevel
	}
	w := c.stderr
	if f, ok := w.(*os.File); ok && isTerminal(f) {
		w = zerolog.ConsoleWriter{Out: f, TimeFormat: "15:04:05.000"}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
