// Package kafkatest gives tests a real Kafka of their own.
package kafkatest

import (
	"testing"

	"tributary/deploy/kafka"
)

// Start gives a running broker that is gone at the test's end. A missing tool fails the test with
// the mend; it is never a skip. It takes some four seconds, so share one among a package's tests
// where they can use different topics.
func Start(tb testing.TB) *kafka.Broker {
	tb.Helper()
	broker, err := kafka.Start(tb.Context(), kafka.Config{Dir: tb.TempDir()})
	if err != nil {
		tb.Fatal(err)
	}
	// Its data goes with the test: an orderly shutdown would only take time.
	tb.Cleanup(broker.Kill)
	return broker
}
