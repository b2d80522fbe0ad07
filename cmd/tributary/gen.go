package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"tributary/mesh"
	"tributary/serve/graphql"
	"tributary/serve/openapi"
)

func (c *cli) gen() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gen KIND",
		Short: "Generate schemas from the manifest",
		Long: `Generate what others build on, from the manifest alone: no secrets are needed and nothing is
connected to. The text goes to stdout.`,
		Example: `  tributary gen jsonschema > manifest.schema.json   # completion of the manifest in editors
  tributary gen sdl -f mesh/ > schema.graphql       # the GraphQL schema
  tributary gen openapi -f mesh/ > openapi.json     # the REST side, OpenAPI 3.1`,
		Args: arguments(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return usage("say what to generate: jsonschema, sdl or openapi; see tributary gen --help")
		},
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "jsonschema", Short: "JSON Schema of the manifest itself, for editors",
			Long: `Print the JSON Schema of the manifest. Editors with a YAML language server complete and explain
every key with it: begin the manifest with
# yaml-language-server: $schema=manifest.schema.json`,
			Example: "  tributary gen jsonschema > manifest.schema.json",
			Args:    arguments(cobra.NoArgs),
			RunE: func(*cobra.Command, []string) error {
				_, err := c.stdout.Write(mesh.JSONSchema())
				return err
			},
		},
		c.genFromMesh("sdl", "GraphQL schema of the mesh (SDL)", "schema.graphql", func(m *mesh.Mesh) (string, error) { return graphql.SDL(m) }),
		c.genFromMesh("openapi", "OpenAPI 3.1 document of the mesh (JSON)", "openapi.json", func(m *mesh.Mesh) (string, error) {
			doc, err := openapi.OpenAPI(m)
			return string(doc), err
		}))
	return cmd
}

// genFromMesh makes a command that prints what is made of the manifest.
func (c *cli) genFromMesh(kind, short, file string, generate func(*mesh.Mesh) (string, error)) *cobra.Command {
	return &cobra.Command{
		Use: kind, Short: short,
		Long:    short + ", the same that a running gateway answers with.",
		Example: fmt.Sprintf("  tributary gen %s -f mesh/ > %s", kind, file),
		Args:    arguments(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			m, err := c.loadUnresolved()
			if err != nil {
				return err
			}
			text, err := generate(m)
			if err != nil {
				return err
			}
			if len(text) > 0 && text[len(text)-1] != '\n' {
				text += "\n"
			}
			_, err = fmt.Fprint(c.stdout, text)
			return err
		},
	}
}
