package kafka

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"tributary/internal/ports"
)

// logTailBytes bounds what an error shows of the broker's log.
const logTailBytes = 4096

// prepare writes server.properties and formats the data folder where that is not done.
func prepare(ctx context.Context, config Config) error {
	if err := os.MkdirAll(config.Dir, 0o755); err != nil {
		return fmt.Errorf("prepare kafka's folder: %w", err)
	}
	properties, err := serverProperties(config)
	if err != nil {
		return err
	}
	if err := os.WriteFile(propertiesPath(config.Dir), []byte(properties), 0o644); err != nil {
		return fmt.Errorf("prepare kafka's folder: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dataPath(config.Dir), "meta.properties")); err == nil {
		return nil
	}
	return format(ctx, config)
}

func format(ctx context.Context, config Config) error {
	var id [16]byte
	rand.Read(id[:]) // never fails
	// Kafka writes ids in base64 without padding, and its tools read a leading '-' as a flag.
	text := "t" + base64.RawURLEncoding.EncodeToString(id[:])[1:]
	args := append(jvmFlags(config.Jars), "kafka.tools.StorageTool",
		"format", "-t", text, "-c", propertiesPath(config.Dir))
	if out, err := exec.CommandContext(ctx, "java", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("format kafka's storage: %w\n%s", err, out)
	}
	return nil
}

func serverProperties(config Config) (string, error) {
	controller, err := ports.Free()
	if err != nil {
		return "", err
	}
	settings := map[string]string{
		"process.roles":                                    "broker,controller",
		"node.id":                                          "1",
		"controller.quorum.voters":                         "1@" + controller,
		"listeners":                                        "PLAINTEXT://" + config.Addr + ",CONTROLLER://" + controller,
		"advertised.listeners":                             "PLAINTEXT://" + config.Addr,
		"controller.listener.names":                        "CONTROLLER",
		"listener.security.protocol.map":                   "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs":                                         dataPath(config.Dir),
		"auto.create.topics.enable":                        "false",
		"num.partitions":                                   "1",
		"default.replication.factor":                       "1",
		"min.insync.replicas":                              "1",
		"offsets.topic.num.partitions":                     "1",
		"offsets.topic.replication.factor":                 "1",
		"transaction.state.log.num.partitions":             "1",
		"transaction.state.log.replication.factor":         "1",
		"transaction.state.log.min.isr":                    "1",
		"transaction.max.timeout.ms":                       "900000",
		"share.coordinator.state.topic.num.partitions":     "1",
		"share.coordinator.state.topic.replication.factor": "1",
		"share.coordinator.state.topic.min.isr":            "1",
		// A group is whole as soon as its first member is there: tests wait for nobody.
		"group.initial.rebalance.delay.ms": "0",
		// A broker that was killed may register again when its old session is over.
		"broker.session.timeout.ms":                 "1000",
		"broker.heartbeat.interval.ms":              "250",
		"controller.quorum.election.timeout.ms":     "200",
		"controller.quorum.election.backoff.max.ms": "200",
		"group.min.session.timeout.ms":              "1000",
		"log.cleaner.enable":                        "true",
		// Tests that look at compaction must not wait 15 s for its next round.
		"log.cleaner.backoff.ms":            "500",
		"log.cleaner.dedupe.buffer.size":    "16777216",
		"num.network.threads":               "2",
		"num.io.threads":                    "4",
		"background.threads":                "2",
		"num.recovery.threads.per.data.dir": "2",
	}
	maps.Copy(settings, config.Settings)
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&out, "%s=%s\n", name, settings[name])
	}
	return out.String(), nil
}

func propertiesPath(dir string) string { return filepath.Join(dir, "server.properties") }

func dataPath(dir string) string { return filepath.Join(dir, "data") }

// logTail gives the end of the broker's log, for an error's text.
func logTail(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "log.txt"))
	if err != nil {
		return ""
	}
	if len(text) > logTailBytes {
		text = text[len(text)-logTailBytes:]
	}
	return string(text)
}
