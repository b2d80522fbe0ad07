package clickhouse

import (
	"context"
	"embed"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

//go:embed migrations/*.sql
var migrations embed.FS

const createLedger = `CREATE TABLE IF NOT EXISTS schema_migrations (name String, applied DateTime('UTC') DEFAULT now())
ENGINE = ReplacingMergeTree ORDER BY name`

// Migrate brings the connection's database to the tables of this version. Each file of
// migrations/ is applied once, in order; ClickHouse has no transactions for this, so every
// statement can be repeated, and a file counts as applied only after its last one.
func Migrate(ctx context.Context, conn driver.Conn) error {
	if err := conn.Exec(ctx, createLedger); err != nil {
		return fmt.Errorf("migrate the analytics database: %w", err)
	}
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	for _, file := range files {
		if err := apply(ctx, conn, file.Name()); err != nil {
			return fmt.Errorf("migrate the analytics database: %s: %w", file.Name(), err)
		}
	}
	return nil
}

func apply(ctx context.Context, conn driver.Conn, name string) error {
	var applied uint64
	if err := conn.QueryRow(ctx, "SELECT count() FROM schema_migrations WHERE name = ?", name).Scan(&applied); err != nil || applied > 0 {
		return err
	}
	text, err := migrations.ReadFile("migrations/" + name)
	if err != nil {
		return err
	}
	for _, statement := range strings.Split(string(text), ";\n") {
		if statement = strings.TrimSpace(statement); statement == "" {
			continue
		}
		if err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return conn.Exec(ctx, "INSERT INTO schema_migrations (name) VALUES (?)", name)
}

// identifier quotes a name for ClickHouse's SQL.
func identifier(name string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(name) + "`"
}
