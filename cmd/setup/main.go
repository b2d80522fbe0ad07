// Command setup fetches the parts that Tributary brings along (postgres, clickhouse) and the one
// that only its tests need (kafka) into the project's tools folder, so that what runs later needs
// no network. The Makefile calls it; what is there already is left alone.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"tributary/deploy/clickhouse"
	"tributary/deploy/kafka"
	pgserver "tributary/deploy/postgres"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var failed error
	for _, part := range os.Args[1:] {
		dir, err := fetch(ctx, part)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		fmt.Printf("%-10s %s\n", part, dir)
	}
	if failed != nil {
		fmt.Fprintln(os.Stderr, "setup:", failed)
		os.Exit(1)
	}
}

// fetch gets one part and says where it is.
func fetch(ctx context.Context, part string) (string, error) {
	switch part {
	case "postgres":
		return pgserver.Fetch(ctx, "", "", func(step string) { fmt.Println(step) })
	case "clickhouse":
		path, err := clickhouse.Fetch(ctx, "")
		if errors.Is(err, clickhouse.ErrPlatform) {
			return "not for this machine: " + err.Error(), nil
		}
		return path, err
	case "kafka":
		return kafka.Fetch(ctx)
	}
	return "", fmt.Errorf("unknown part %q: name postgres, clickhouse or kafka", part)
}
