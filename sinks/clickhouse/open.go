package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	clickhouse "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// ErrURL is returned for an address that is not of the form clickhouse://user:password@host:9000
// or http://host:8123. The address itself is left out: it may hold a password (I11).
var ErrURL = errors.New("analytics.clickhouse is not a valid address: write clickhouse://user:password@host:9000 or http://host:8123")

// Open connects to ClickHouse at url and to the database, which it makes where it is missing.
// Nothing is migrated. The caller closes the connection.
func Open(ctx context.Context, url, database string) (driver.Conn, error) {
	options, err := clickhouse.ParseDSN(url)
	if err != nil {
		return nil, ErrURL
	}
	if database == "" {
		return nil, errors.New("the analytics database has no name")
	}
	options.DialTimeout = 5 * time.Second
	options.ReadTimeout = time.Minute
	options.MaxOpenConns = 4
	if options.Compression == nil {
		options.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	}
	if err := createDatabase(ctx, *options, database); err != nil {
		return nil, fmt.Errorf("analytics database %s: %w", database, err)
	}
	options.Auth.Database = database
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("connect to ClickHouse: %w", err)
	}
	if err := conn.Ping(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to ClickHouse: %w", err)
	}
	return conn, nil
}

func createDatabase(ctx context.Context, options clickhouse.Options, database string) error {
	options.Auth.Database = "default"
	conn, err := clickhouse.Open(&options)
	if err != nil {
		return err
	}
	defer conn.Close()
	var there uint64
	if err := conn.QueryRow(ctx, "SELECT count() FROM system.databases WHERE name = {name:String}", clickhouse.Named("name", database)).Scan(&there); err != nil {
		return err
	}
	if there > 0 { // the user may lack the grant to create what an administrator has made
		return nil
	}
	return conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+identifier(database))
}
