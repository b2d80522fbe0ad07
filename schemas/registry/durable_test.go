package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func schemaNamed(name string) string {
	return `{"type":"record","name":"` + name + `","fields":[]}`
}

func mustRegister(t *testing.T, s *Server, subject, schema string) *version {
	t.Helper()
	v, err := s.register(t.Context(), subject, &schemaRequest{Schema: schema}, false)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestRestart: what was registered, configured and deleted is so again from the same data
// folder, and an id whose schema was deleted for good is not given out a second time.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	brokers, stopBroker := startBroker(t, dir)
	s, url, stop := startServer(t, brokers)
	kept := mustRegister(t, s, "kept-value", schemaNamed("Kept"))
	old := mustRegister(t, s, "soft-value", schemaNamed("Soft"))
	gone := mustRegister(t, s, "gone-value", schemaNamed("Gone"))
	for _, path := range []string{"/subjects/soft-value", "/subjects/gone-value", "/subjects/gone-value?permanent=true"} {
		request(t, http.MethodDelete, url+path, "", http.StatusOK)
	}
	request(t, http.MethodPut, url+"/config/kept-value", `{"compatibility":"full"}`, http.StatusOK)
	stop()
	stopBroker()

	brokers, stopBroker = startBroker(t, dir)
	t.Cleanup(stopBroker)
	compactAway(t, brokers)
	s, url, stop = startServer(t, brokers)
	defer stop()
	if again := mustRegister(t, s, "kept-value", schemaNamed("Kept")); again.id != kept.id || again.number != kept.number {
		t.Errorf("kept: %+v, want %+v", again, kept)
	}
	if body := request(t, http.MethodGet, url+"/config/kept-value", "", http.StatusOK); !strings.Contains(body, `"FULL"`) {
		t.Errorf("level: %s", body)
	}
	request(t, http.MethodGet, fmt.Sprintf("%s/schemas/ids/%d", url, old.id), "", http.StatusOK)
	request(t, http.MethodGet, fmt.Sprintf("%s/schemas/ids/%d", url, gone.id), "", http.StatusNotFound)
	if next := mustRegister(t, s, "next-value", schemaNamed("Next")); next.id <= gone.id {
		t.Errorf("id %d of a new schema was given out before, to one that is gone", next.id)
	}
}

// compactAway does what a broker's compaction does in its time: of each key only the last
// record stays, and tombstones go.
func compactAway(t *testing.T, brokers []kgo.Opt) {
	t.Helper()
	records := topicRecords(t, brokers)
	last := map[string]*kgo.Record{}
	for _, r := range records {
		last[string(r.Key)] = r
	}
	client, err := kgo.NewClient(append(brokers[:1:1], kgo.DefaultProduceTopic("_schemas"))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	adm := kadm.NewClient(client)
	var keep []*kgo.Record
	for _, r := range records {
		if last[string(r.Key)] == r && r.Value != nil {
			keep = append(keep, &kgo.Record{Key: r.Key, Value: r.Value, Headers: r.Headers})
		}
	}
	end := kadm.Offsets{}
	end.AddOffset("_schemas", 0, records[len(records)-1].Offset+1, -1)
	if _, err := adm.DeleteRecords(t.Context(), end); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(t.Context(), keep...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// topicRecords reads the committed records of the topic.
func topicRecords(t *testing.T, brokers []kgo.Opt) (out []*kgo.Record) {
	t.Helper()
	client, err := kgo.NewClient(append(brokers[:1:1], kgo.ConsumeTopics("_schemas"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, "_schemas")
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup("_schemas", 0)
	for next := int64(0); next < end.Offset; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		for _, r := range fetches.Records() {
			if next = r.Offset + 1; !r.Attrs.IsControl() {
				out = append(out, r)
			}
		}
	}
	return out
}

// TestTopicIsConfluents: keys and values are those that Confluent's registry reads.
func TestTopicIsConfluents(t *testing.T) {
	brokers, stopBroker := startBroker(t, t.TempDir())
	t.Cleanup(stopBroker)
	s, url, stop := startServer(t, brokers)
	mustRegister(t, s, "a<b>-value", `{ "type": "string" }`)
	request(t, http.MethodPut, url+"/config", `{"compatibility":"NONE"}`, http.StatusOK)
	request(t, http.MethodPut, url+"/config/a", `{"compatibility":"FULL"}`, http.StatusOK)
	request(t, http.MethodDelete, url+"/config/a", "", http.StatusOK)
	request(t, http.MethodDelete, url+"/subjects/a%3Cb%3E-value", "", http.StatusOK)
	request(t, http.MethodDelete, url+"/subjects/a%3Cb%3E-value?permanent=true", "", http.StatusOK)
	stop()
	var got []string
	for _, r := range topicRecords(t, brokers) {
		value := "null"
		if r.Value != nil {
			value = string(r.Value)
		}
		got = append(got, string(r.Key)+" "+value)
	}
	want := []string{
		`{"keytype":"NOOP","magic":0} `,
		`{"keytype":"SCHEMA","subject":"a<b>-value","version":1,"magic":1} {"subject":"a<b>-value","version":1,"id":1,"md5":"KAkoS25U0NNAF3Ff/lY2vQ==","schema":"{\"type\":\"string\"}","deleted":false}`,
		`{"keytype":"CONFIG","subject":null,"magic":0} {"compatibilityLevel":"NONE"}`,
		`{"keytype":"CONFIG","subject":"a","magic":0} {"subject":"a","compatibilityLevel":"FULL"}`,
		`{"keytype":"CONFIG","subject":"a","magic":0} null`,
		`{"keytype":"DELETE_SUBJECT","subject":"a<b>-value","magic":0} {"subject":"a<b>-value","version":1}`,
		`{"keytype":"MODE","subject":null,"magic":0} {"mode":"READWRITE"}`,
		`{"keytype":"SCHEMA","subject":"a<b>-value","version":1,"magic":1} null`,
		`{"keytype":"DELETE_SUBJECT","subject":"a<b>-value","magic":0} null`,
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

// TestForeignRecords: records of other registries are served, what is damaged is named in the
// log and left out, and the rest goes on.
func TestForeignRecords(t *testing.T) {
	brokers, stopBroker := startBroker(t, t.TempDir())
	t.Cleanup(stopBroker)
	_, _, stop := startServer(t, brokers) // makes the topic
	stop()
	client, err := kgo.NewClient(append(brokers[:1:1], kgo.DefaultProduceTopic("_schemas"))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	kv := func(k, v string) *kgo.Record { return &kgo.Record{Key: []byte(k), Value: []byte(v)} }
	key := func(subject string) string {
		return `{"keytype":"SCHEMA","subject":"` + subject + `","version":1,"magic":1}`
	}
	err = client.ProduceSync(t.Context(),
		kv(`not json`, ``), kv(`{"keytype":"FUTURE","x":1}`, `{}`), kv(key("damaged"), `{`), kv(key("other"), `{"subject":"x","version":1,"id":3,"schema":"\"int\""}`),
		kv(`{"keytype":"CONFIG","subject":"a","magic":0}`, `{"compatibilityLevel":"ODD"}`),
		kv(key("a"), `{"subject":"a","version":1,"id":100,"guid":"x","ts":1,"schema":"\"int\"","deleted":false}`),
		kv(key("twice"), `{"subject":"twice","version":1,"id":100,"schema":"\"long\""}`),
		kv(key("p"), `{"subject":"p","version":1,"id":101,"schemaType":"PROTOBUF","schema":"syntax = \"proto3\";"}`),
	).FirstErr()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s, err := Open(t.Context(), brokers, Options{Log: zerolog.New(&log)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n := strings.Count(log.String(), "left out"); n < 5 {
		t.Errorf("%d records are named as left out, want 5:\n%s", n, &log)
	}
	if c := s.catalog.contents[100]; c == nil || c.text != `"int"` || s.catalog.maxID != 101 {
		t.Errorf("content of id 100: %+v; highest id %d", c, s.catalog.maxID)
	}
	messages, err := s.catalog.judge("BACKWARD", nil, s.catalog.live("p"))
	if err != nil || len(messages) != 1 || !strings.Contains(messages[0], "PROTOBUF") {
		t.Errorf("AVRO against PROTOBUF: %q, %v", messages, err)
	}
}

func TestTopicThatWouldLoseSchemas(t *testing.T) {
	brokers, stopBroker := startBroker(t, t.TempDir())
	t.Cleanup(stopBroker)
	client, err := kgo.NewClient(brokers...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	compact, remove := "compact", "delete"
	for topic, c := range map[string]struct {
		partitions int32
		policy     *string
		want       string
	}{"three": {3, &compact, "has 3 partitions"}, "retained": {1, &remove, "cleanup.policy=delete"}} {
		if _, err := kadm.NewClient(client).CreateTopic(t.Context(), c.partitions, 1, map[string]*string{"cleanup.policy": c.policy}, topic); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(t.Context(), brokers, Options{Topic: topic}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("topic %s: %v, %v; want an error with %q", topic, s, err, c.want)
		}
	}
}

// TestWriteWithoutBroker: a write that cannot be confirmed says so, reads go on, and the next
// write after the broker is back succeeds.
func TestWriteWithoutBroker(t *testing.T) {
	dir := t.TempDir()
	brokers, addr, stopBroker := startBrokerAt(t, dir, 0)
	s, _, stop := startServer(t, brokers)
	defer stop()
	kept := mustRegister(t, s, "kept-value", schemaNamed("Kept"))
	stopBroker()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := s.register(ctx, "new-value", &schemaRequest{Schema: schemaNamed("New")}, false)
	var refused *apiError
	if !errors.As(err, &refused) || refused.Code != codeTimeout {
		t.Errorf("write without a broker: %v, want code %d", err, codeTimeout)
	}
	if again := mustRegister(t, s, "kept-value", schemaNamed("Kept")); again.id != kept.id {
		t.Errorf("known schema without a broker: id %d, want %d", again.id, kept.id)
	}
	stopBroker = restartBroker(t, dir, addr)
	defer stopBroker()
	if v := mustRegister(t, s, "new-value", schemaNamed("New")); v.id != kept.id+1 {
		t.Errorf("after the broker came back: id %d, want %d", v.id, kept.id+1)
	}
}
