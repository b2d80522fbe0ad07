package main

import (
	"errors"
	"os"

	"tributary/mesh"
	"tributary/node"
	"tributary/topics"
)

// operator reaches the running mesh. Of the manifest's secrets only those of Kafka and of the
// registry are needed.
func (c *cli) operator() (*node.Operator, error) {
	m, err := c.loadUnresolved()
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, s := range []*mesh.Secret{&m.Kafka.SASL.Username, &m.Kafka.SASL.Password, &m.Registry.Username, &m.Registry.Password} {
		if s.Ref == "" {
			continue
		}
		if *s, err = resolve(*s, os.LookupEnv); err != nil {
			faults = append(faults, err)
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return node.Connect(m, c.data)
}

// ended turns a request that did not end well into the command's error.
func ended(r topics.Request) error {
	if r.State == topics.RequestDone {
		return nil
	}
	return errors.New(r.Outcome)
}
