package postgres

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// connectTimeout bounds one dial unless the connection string says otherwise.
const connectTimeout = 15 * time.Second

// readBuffer is how much of the change stream one read takes from the socket.
const readBuffer = 128 << 10

// pinned are the session's settings, whatever server, database or role say: the text of every
// value must be one and the same in snapshots, streams and re-reads, and no timeout of the
// server may end a long read. row_security=off turns a silently filtered read into an error.
func pinned(application string) map[string]string {
	return map[string]string{
		"application_name":                    application,
		"client_encoding":                     "UTF8",
		"DateStyle":                           "ISO, MDY",
		"IntervalStyle":                       "postgres",
		"TimeZone":                            "UTC",
		"bytea_output":                        "hex",
		"extra_float_digits":                  "3",
		"row_security":                        "off",
		"statement_timeout":                   "0",
		"lock_timeout":                        "0",
		"idle_in_transaction_session_timeout": "0",
		"search_path":                         "public",
	}
}

// parseConnection reads the system's connection string. Its text is never in an error (I11).
func (s *source) parseConnection() error {
	text := s.system.Connection.Reveal()
	cfg, err := pgx.ParseConfig(text)
	if err != nil || !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://") {
		return &fault{Subject: s.subject(), Problem: fmt.Sprintf("connection %s is no Postgres connection string", s.system.Connection),
			Mend: "postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=require"}
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	maps.Copy(cfg.RuntimeParams, pinned(fmt.Sprintf("%.63s", "tributary/"+s.mesh+"/"+s.system.Name)))
	s.config = cfg
	return nil
}

// connect opens a side connection for queries.
func (s *source) connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, s.config.Copy())
	if err != nil {
		return nil, s.unreachable(err)
	}
	if err := neverIdleOut(ctx, conn.PgConn()); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", s.subject(), err), conn.Close(ctx))
	}
	return conn, nil
}

// connectReplication opens a connection that speaks the replication protocol.
func (s *source) connectReplication(ctx context.Context) (*pgconn.PgConn, error) {
	cfg := s.config.Copy()
	cfg.RuntimeParams["replication"] = "database"
	cfg.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		return pgproto3.NewFrontend(bufio.NewReaderSize(r, readBuffer), w)
	}
	conn, err := pgconn.ConnectConfig(ctx, &cfg.Config)
	if err != nil {
		return nil, s.unreachable(err)
	}
	if err := neverIdleOut(ctx, conn); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", s.subject(), err), conn.Close(ctx))
	}
	return conn, nil
}

// unreachable says why the server could not be reached, and what would mend it.
func (s *source) unreachable(err error) error {
	at := net.JoinHostPort(s.config.Host, strconv.Itoa(int(s.config.Port)))
	ref := s.system.Connection.Ref
	problem, mend := "", ""
	var unknown *net.DNSError
	switch code := sqlState(err); {
	case errors.As(err, &unknown):
		problem, mend = "the host "+s.config.Host+" cannot be found", "correct the host in "+ref
	case errors.Is(err, syscall.ECONNREFUSED):
		problem, mend = "nothing listens at "+at, "start the server, or correct host and port in "+ref
	case code == "28P01":
		problem, mend = fmt.Sprintf("%s refuses the password of user %s", at, s.config.User), "correct user and password in "+ref
	case code == "28000":
		problem, mend = fmt.Sprintf("%s refuses user %s from here", at, s.config.User), "correct the user in "+ref+", or let it in by the server's pg_hba.conf"
	case code == "3D000":
		problem, mend = fmt.Sprintf("%s has no database %s", at, s.config.Database), "correct the database in "+ref
	default:
		return fmt.Errorf("%s: connect to %s: %w", s.subject(), at, err)
	}
	return &fault{Subject: s.subject(), Problem: problem, Mend: mend}
}

// neverIdleOut lifts the time limits that older servers do not know and would refuse at the
// connection's start.
func neverIdleOut(ctx context.Context, conn *pgconn.PgConn) error {
	var sql string
	if major := serverMajor(conn); major >= 17 {
		sql = "SET idle_session_timeout = 0; SET transaction_timeout = 0"
	} else if major >= 14 {
		sql = "SET idle_session_timeout = 0"
	} else {
		return nil
	}
	if err := conn.Exec(ctx, sql).Close(); err != nil {
		return fmt.Errorf("set up the session: %w", err)
	}
	return nil
}

// serverMajor is the server's major version, 0 if it does not say.
func serverMajor(conn *pgconn.PgConn) int {
	version := conn.ParameterStatus("server_version")
	digits := version[:len(version)-len(strings.TrimLeft(version, "0123456789"))]
	major, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return major
}

// sqlState is the SQLSTATE of an error, or "".
func sqlState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}
