package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The log does not hold an out-of-line value that an update left as it was. Its column is then
// read again from the table, by key, in a snapshot in which the update's transaction is visible.
//
// Why that is enough: a transaction that was delivered earlier and touched the same row was
// waited for by this one (row lock or unique index), and a lock is given up after its holder
// has become visible; so this transaction's visibility entails that of every delivered one that
// matters for the row.
//
// Why it converges: what is read may already be a later state of the column. Whatever made it so
// comes in the stream behind us, as an update that carries the changed value whole, so the column
// never stays at a value that the source does not have. Only columns that the log does not hold
// are taken. A row that is gone was deleted, or has got another key: that change comes too, so
// this one is left out.

// A rereader reads columns of one table again.
type rereader struct {
	table, match string
	columns      []string // quoted
	keys         []int
}

func newRereader(sh *shape) rereader {
	r := rereader{table: sh.from()}
	var match []string
	for i, c := range sh.columns {
		r.columns = append(r.columns, quote(c.name))
		if c.key {
			r.keys = append(r.keys, i)
			match = append(match, fmt.Sprintf("%s = $%d", quote(c.name), len(r.keys)+1))
		}
	}
	r.match = strings.Join(match, " AND ")
	return r
}

// fill replaces the unchanged columns of t; xid is the change's transaction in full width. found
// is false when the row is gone.
func (r *rereader) fill(ctx context.Context, conn *pgx.Conn, xid int64, t tuple) (found bool, err error) {
	var missing []int
	for i := range t {
		if t[i].kind == kindUnchanged {
			missing = append(missing, i)
		}
	}
	params := [][]byte{strconv.AppendInt(nil, xid, 10)}
	for _, k := range r.keys {
		if t[k].kind != kindText {
			return false, errors.New("the change holds neither its key nor an unchanged column; ALTER TABLE … REPLICA IDENTITY FULL")
		}
		params = append(params, t[k].text)
	}
	found, err = r.query(ctx, conn, missing, params, t)
	if sqlState(err) != undefinedColumn {
		return found, err
	}
	gone, err := r.goneColumns(ctx, conn, missing)
	if err != nil {
		return false, err
	}
	for _, i := range gone {
		t[i] = value{kind: kindNull}
		missing = slices.DeleteFunc(missing, func(m int) bool { return m == i })
	}
	return r.query(ctx, conn, missing, params, t)
}

// SQLSTATEs of a table that changed since the update.
const (
	undefinedColumn = "42703"
	undefinedTable  = "42P01"
)

// query asks until the transaction is visible. One statement has one snapshot, so that the row
// and the test of visibility are of the same one.
func (r *rereader) query(ctx context.Context, conn *pgx.Conn, missing []int, params [][]byte, t tuple) (found bool, err error) {
	columns := make([]string, 0, len(missing)+1)
	columns = append(columns, "true")
	for _, i := range missing {
		columns = append(columns, r.columns[i])
	}
	sql := fmt.Sprintf("SELECT %s FROM %s WHERE %s", strings.Join(columns, ", "), r.table, r.match)
	sql = fmt.Sprintf("SELECT v.visible, t.* FROM (SELECT pg_catalog.txid_visible_in_snapshot($1::int8, pg_catalog.txid_current_snapshot()) AS visible) v LEFT JOIN (%s) t ON true", sql)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		res := conn.PgConn().ExecParams(ctx, sql, params, nil, nil, nil).Read()
		if res.Err != nil {
			if sqlState(res.Err) == undefinedTable {
				return false, nil
			}
			return false, fmt.Errorf("read unchanged columns again: %w", res.Err)
		}
		if len(res.Rows) == 1 && string(res.Rows[0][0]) == "t" {
			return take(res, missing, t), nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-tick.C:
		}
	}
}

// take moves the values that were read into the tuple. The second column says whether there was
// a row at all.
func take(res *pgconn.Result, missing []int, t tuple) bool {
	row := res.Rows[0]
	if row[1] == nil {
		return false
	}
	for n, i := range missing {
		t[i] = value{kind: kindNull}
		if text := row[n+2]; text != nil {
			t[i] = value{kind: kindText, text: text}
		}
	}
	return true
}

// goneColumns are those of the wanted columns that the table no longer has: dropped since the
// change, which the stream will tell. Their values are nowhere any more.
func (r *rereader) goneColumns(ctx context.Context, conn *pgx.Conn, wanted []int) ([]int, error) {
	var gone []int
	for _, i := range wanted {
		res := conn.PgConn().ExecParams(ctx, fmt.Sprintf("SELECT %s FROM %s LIMIT 0", r.columns[i], r.table), nil, nil, nil, nil).Read()
		switch code := sqlState(res.Err); {
		case code == undefinedColumn:
			gone = append(gone, i)
		case res.Err != nil && code != undefinedTable:
			return nil, fmt.Errorf("read unchanged columns again: %w", res.Err)
		}
	}
	return gone, nil
}

// fullXID widens a transaction id of the log by the server's epoch: the one nearest to its next.
func fullXID(ctx context.Context, conn *pgx.Conn, xid uint32) (int64, error) {
	var next int64
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot())").Scan(&next); err != nil {
		return 0, fmt.Errorf("read unchanged columns again: %w", err)
	}
	return next + int64(int32(xid-uint32(next))), nil
}
