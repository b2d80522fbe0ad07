package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// hold begins the transaction of the holder and exports what it sees: the named snapshot, or
// without a name one of its own.
func (sn *snapshot) hold(ctx context.Context, name string) error {
	if err := sn.enter(ctx, sn.holder, name); err != nil {
		return err
	}
	if err := sn.holder.QueryRow(ctx, "SELECT pg_catalog.pg_export_snapshot()").Scan(&sn.name); err != nil {
		return fmt.Errorf("%s: export the snapshot: %w", sn.source.subject(), err)
	}
	return nil
}

// enter begins a transaction that sees the named snapshot, or without a name the state of now.
func (sn *snapshot) enter(ctx context.Context, conn *pgx.Conn, name string) error {
	if _, err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return fmt.Errorf("%s: begin the snapshot: %w", sn.source.subject(), err)
	}
	if name == "" {
		return nil
	}
	// SET takes no parameters; the name is the server's own, of hexadecimal digits and dashes.
	if _, err := conn.Exec(ctx, fmt.Sprintf("SET TRANSACTION SNAPSHOT '%s'", name)); err != nil {
		return fmt.Errorf("%s: enter the snapshot, which lives as long as the session that took it: %w", sn.source.subject(), err)
	}
	return nil
}

// errHolder ends a snapshot whose tables are no longer held still.
var errHolder = errors.New("the session that held the snapshot has ended")

// whileHeld runs fn, and ends it as soon as the holder's session ends.
func (sn *snapshot) whileHeld(ctx context.Context, fn func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for ctx.Err() == nil {
			// Nobody notifies: it returns when the session ends.
			if err := sn.holder.PgConn().WaitForNotification(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w: %w", sn.source.subject(), errHolder, err))
			}
		}
	}()
	err := fn(ctx)
	if cause := context.Cause(ctx); errors.Is(cause, errHolder) {
		err = cause
	}
	cancel(nil)
	<-watched
	if err != nil {
		return err
	}
	if _, err := sn.holder.Exec(context.WithoutCancel(ctx), "COMMIT"); err != nil {
		return fmt.Errorf("%s: %w: %w", sn.source.subject(), errHolder, err)
	}
	return nil
}
