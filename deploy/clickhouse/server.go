package clickhouse

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	displayName = "tributary"
	timeZone    = "Etc/UTC"
)

// grants leave out whatever reaches files, other servers and commands of the machine (READ and
// WRITE on sources, their table engines): a query cannot leave the engine's own tables.
const grants = "GRANT SHOW, SELECT, INSERT, ALTER, CREATE, DROP, TRUNCATE, OPTIMIZE, KILL QUERY, SYSTEM, dictGet, INTROSPECTION ON *.*"

// serverConfig is the engine's config.xml: small caches and pools for small machines, UTC.
type serverConfig struct {
	XMLName     xml.Name `xml:"clickhouse"`
	UsersConfig string   `xml:"users_config"`
	Timezone    string   `xml:"timezone"`
	DisplayName string   `xml:"display_name"`
	Memory      int64    `xml:"max_server_memory_usage"`

	MarkCache           int64 `xml:"mark_cache_size"`
	UncompressedCache   int64 `xml:"uncompressed_cache_size"`
	PrimaryIndexCache   int64 `xml:"primary_index_cache_size"`
	IndexMarkCache      int64 `xml:"index_mark_cache_size"`
	QueryConditionCache int64 `xml:"query_condition_cache_size"`
	CompiledCache       int64 `xml:"compiled_expression_cache_size"`
	Threads             int   `xml:"max_thread_pool_size"`
	IOThreads           int   `xml:"max_io_thread_pool_size"`
	MergeThreads        int   `xml:"background_pool_size"`
}

// usersConfig is the engine's users.xml: one user with the grants above.
type usersConfig struct {
	XMLName xml.Name `xml:"clickhouse"`
	Profile struct {
		Threads      int   `xml:"max_threads"`
		InsertBlocks int   `xml:"max_insert_threads"`
		Memory       int64 `xml:"max_memory_usage"`
		MaxExecution int   `xml:"max_execution_time"`
		// AsyncInsert is off as in servers before 26.3: a token must cover its own block alone.
		AsyncInsert  int `xml:"async_insert"`
		JSONAsString int `xml:"output_format_native_write_json_as_string"`
	} `xml:"profiles>default"`
	User struct {
		Password string   `xml:"password"`
		Profile  string   `xml:"profile"`
		Quota    string   `xml:"quota"`
		Networks []string `xml:"networks>ip"`
		Grants   []string `xml:"grants>query"`
	} `xml:"users>default"`
	Quota string `xml:"quotas>default"`
}

// writeServerConfig writes both files into dir and gives the engine's arguments.
func writeServerConfig(dir string, memory int64, maxExecution time.Duration) ([]string, error) {
	users := usersConfig{}
	users.Profile.Threads = 2
	users.Profile.InsertBlocks = 1
	users.Profile.Memory = memory / 4 * 3
	users.Profile.MaxExecution = int(maxExecution.Seconds())
	users.Profile.JSONAsString = 1
	users.User.Profile, users.User.Quota = "default", "default"
	users.User.Networks = []string{"127.0.0.1", "::1"}
	users.User.Grants = []string{grants}
	server := serverConfig{
		UsersConfig: filepath.Join(dir, "users.xml"), Timezone: timeZone, DisplayName: displayName,
		Memory: memory, MarkCache: 16 << 20, PrimaryIndexCache: 16 << 20, IndexMarkCache: 4 << 20,
		QueryConditionCache: 4 << 20, CompiledCache: 16 << 20,
		Threads: 256, IOThreads: 16, MergeThreads: 2,
	}
	config := filepath.Join(dir, "config.xml")
	if err := writeXML(config, server); err != nil {
		return nil, err
	}
	if err := writeXML(server.UsersConfig, users); err != nil {
		return nil, err
	}
	return []string{"--path=" + filepath.Join(dir, "store"), "--config-file=" + config}, nil
}

func writeXML(path string, v any) error {
	var buf bytes.Buffer
	enc := xml.NewEncoder(&buf)
	enc.Indent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return os.WriteFile(path, buf.Bytes(), 0o600)
}
