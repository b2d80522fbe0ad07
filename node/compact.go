package node

import (
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"tributary/mesh"
	"tributary/topics"
)

// ErrExternalBroker is returned by CompactBroker where the mesh has a Kafka of its own, which
// compacts by itself.
var ErrExternalBroker = errors.New("only an embedded broker is compacted by Tributary; Kafka does it by itself")

// CompactBroker compacts topics, or all compacted ones, of the embedded broker in a data folder.
// Nothing may run over the folder meanwhile.
func CompactBroker(m *mesh.Mesh, dir string, only []string, log zerolog.Logger) ([]topics.Compaction, error) {
	o := Options{Mesh: m, DataDir: dir}
	if !o.embeddedBroker() {
		return nil, ErrExternalBroker
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	done, err := topics.CompactFolder(o.path("kafka"), only, log)
	if err != nil {
		return done, fmt.Errorf("embedded broker over %s: %w", dir, err)
	}
	return done, nil
}
