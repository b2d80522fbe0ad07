package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"tributary/mesh"
)

// arguments turns a wrong number of arguments into a fault of usage.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usage("%w; see %s --help", err, cmd.CommandPath())
		}
		return nil
	}
}

// loadUnresolved reads the manifest without secrets.
func (c *cli) loadUnresolved() (*mesh.Mesh, error) {
	paths, err := c.paths()
	if err != nil {
		return nil, err
	}
	return mesh.Load(paths, nil)
}

var reference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// resolve gives a secret the values of the environment variables that it refers to.
func resolve(s mesh.Secret, env func(string) (string, bool)) (mesh.Secret, error) {
	var missing []error
	value := reference.ReplaceAllStringFunc(s.Ref, func(ref string) string {
		name := ref[2 : len(ref)-1]
		v, ok := env(name)
		if !ok || v == "" {
			missing = append(missing, fmt.Errorf("environment variable %s is not set", name))
		}
		return v
	})
	return mesh.NewSecret(s.Ref, value), errors.Join(missing...)
}

// completeWhy completes the names of entities, and of their fields as the argument that follows
// an id.
func (c *cli) completeWhy(_ *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	m, err := c.loadUnresolved()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, e := range m.Entities {
		switch {
		case len(args) == 0:
			out = append(out, described(e.Name, e.Description))
		case len(args) == 2 && e.Name == args[0]:
			for _, f := range e.Fields {
				out = append(out, described(f.Name, f.Description))
			}
		}
	}
	return beginning(out, toComplete), cobra.ShellCompDirectiveNoFileComp
}

// completeNames completes the names of streams and entities.
func (c *cli) completeNames(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	m, err := c.loadUnresolved()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, s := range m.Systems {
		for _, stream := range s.Streams {
			out = append(out, described(stream.ID(), stream.Table))
		}
	}
	for _, e := range m.Entities {
		out = append(out, described(e.Name, e.Description))
	}
	return beginning(out, toComplete), cobra.ShellCompDirectiveNoFileComp
}

// described is a completion with what shells show beside it.
func described(name, text string) string {
	if text == "" {
		return name
	}
	return name + "\t" + text
}

func beginning(names []string, with string) []string {
	var out []string
	for _, n := range names {
		if strings.HasPrefix(n, with) {
			out = append(out, n)
		}
	}
	return out
}

// paths are the files and folders of the manifest.
func (c *cli) paths() ([]string, error) {
	if len(c.manifest) > 0 {
		return c.manifest, nil
	}
	for _, p := range []string{"mesh.yaml", "mesh"} {
		if _, err := os.Stat(p); err == nil {
			return []string{p}, nil
		}
	}
	return nil, usage("no manifest: there is neither mesh.yaml nor a folder mesh here; name one with -f")
}
