package topics

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The layout of kfake's data folder: partitions/<topic>-<n>/<base offset>.dat holds record
// batches as on the wire, .idx beside it 15 bytes a batch: version, checksum, epoch, time, inTx.
// Source: github.com/twmb/franz-go/pkg/kfake persist.go; TestRepair fails if it changes.
const (
	batchHeader = 61 // bytes of a record batch in front of its records
	indexEntry  = 15
	indexFormat = 1 // kfake's currentPersistVersion

	attrTransactional = 0x10
	attrControl       = 0x20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A txn is one transaction of a producer: each has an epoch of its own (KIP-890).
type txn struct {
	producer int64
	epoch    int16
}

// A logTail is what a partition's log says about its transactions.
type logTail struct {
	dir     string
	segment int64
	size    int64        // of the last segment's whole batches
	batches []bool       // of the last segment: whether the batch is transactional data
	start   int64        // offset of the first batch
	next    int64        // offset behind the last batch
	records int64        // data records
	open    map[txn]bool // data without a marker behind it
	markers map[txn]bool // commit markers are true, abort markers false
}

// repairTransactions ends what a killed broker left open. kfake writes the markers of a
// transaction a partition after another and keeps no record of its decision, so a kill between
// two of them would leave it committed in one partition and aborted in the next. Here it is
// committed everywhere if a commit marker is anywhere, and aborted otherwise; and a batch whose
// index entry is missing is known as transactional again (I14).
func repairTransactions(dir string, log zerolog.Logger) ([]*logTail, error) {
	entries, err := os.ReadDir(filepath.Join(dir, "partitions"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var tails []*logTail
	committed := map[txn]bool{}
	for _, e := range entries {
		tail, err := readTail(filepath.Join(dir, "partitions", e.Name()))
		if err != nil {
			return nil, err
		}
		for t, commit := range tail.markers {
			committed[t] = committed[t] || commit
		}
		tails = append(tails, tail)
	}
	ended := map[txn]bool{}
	for _, tail := range tails {
		for t := range tail.open {
			ended[t] = committed[t]
		}
		if err := tail.repair(committed); err != nil {
			return nil, fmt.Errorf("%s: %w", tail.dir, err)
		}
	}
	if len(ended) > 0 {
		log.Info().Int("transactions", len(ended)).Msg("ended what a killed broker left open")
	}
	return tails, nil
}

func readTail(dir string) (*logTail, error) {
	t := &logTail{dir: dir, open: map[txn]bool{}, markers: map[txn]bool{}}
	all, err := bases(dir)
	if err != nil {
		return nil, err
	}
	for _, base := range all {
		if err := t.readSegment(base); err != nil {
			return nil, fmt.Errorf("segment %d of %s: %w", base, dir, err)
		}
	}
	return t, nil
}

// readSegment walks the batches of a segment by their headers; a batch cut short at the end is
// left out, as kfake leaves it out.
func (t *logTail) readSegment(base int64) error {
	f, err := os.Open(filepath.Join(t.dir, strconv.FormatInt(base, 10)+".dat"))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	t.segment, t.size, t.batches = base, 0, t.batches[:0]
	var head [batchHeader + 64]byte // a control record fits
	for t.size+batchHeader <= info.Size() {
		n, err := f.ReadAt(head[:], t.size)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		size := 12 + int64(binary.BigEndian.Uint32(head[8:]))
		if t.size+size > info.Size() {
			return nil
		}
		t.batch(head[:n])
		t.size += size
	}
	return nil
}

// batch notes one batch by its header and the beginning of its records.
func (t *logTail) batch(head []byte) {
	attrs := binary.BigEndian.Uint16(head[21:])
	id := txn{int64(binary.BigEndian.Uint64(head[43:])), int16(binary.BigEndian.Uint16(head[51:]))}
	if len(t.batches) == 0 && t.records == 0 && t.next == 0 {
		t.start = int64(binary.BigEndian.Uint64(head))
	}
	t.next = int64(binary.BigEndian.Uint64(head)) + int64(binary.BigEndian.Uint32(head[23:])) + 1
	data := attrs&attrTransactional != 0 && attrs&attrControl == 0
	t.batches = append(t.batches, data)
	if attrs&attrControl == 0 {
		t.records += int64(int32(binary.BigEndian.Uint32(head[57:])))
	}
	switch {
	case data:
		t.open[id] = true
	case attrs&attrControl != 0:
		t.markers[id] = isCommit(head[batchHeader:])
		// A marker ends whatever its producer had open, as kfake reads it.
		for o := range t.open {
			if o.producer == id.producer {
				delete(t.open, o)
			}
		}
	}
}

// isCommit reads the type of a control record: its key is version and type, two bytes each.
func isCommit(records []byte) bool {
	var r kmsg.Record
	if r.ReadFrom(records) != nil || len(r.Key) < 4 {
		return false
	}
	return binary.BigEndian.Uint16(r.Key[2:]) == 1
}

// repair completes the index of the last segment and appends the markers that are missing.
func (t *logTail) repair(committed map[txn]bool) error {
	idx := filepath.Join(t.dir, strconv.FormatInt(t.segment, 10)+".idx")
	info, err := os.Stat(idx)
	have := int64(0)
	if err == nil {
		have = info.Size() / indexEntry
	}
	if len(t.open) == 0 && have >= int64(len(t.batches)) {
		return nil
	}
	var index, data []byte
	for _, transactional := range t.batches[min(have, int64(len(t.batches))):] {
		index = append(index, indexBytes(transactional)...)
	}
	for id := range t.open {
		data = append(data, marker(id, committed[id], t.next)...)
		index = append(index, indexBytes(false)...)
		t.next++
	}
	segment := filepath.Join(t.dir, strconv.FormatInt(t.segment, 10)+".dat")
	// The index goes first: an entry without batch is cut off by the next start, a batch
	// without entry would lose its transaction.
	if err := appendAt(idx, min(have, int64(len(t.batches)))*indexEntry, index); err != nil {
		return err
	}
	return appendAt(segment, t.size, data)
}

// appendAt cuts a file to size and appends data.
func appendAt(path string, size int64, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err := f.Truncate(size); err != nil {
		return errors.Join(err, f.Close())
	}
	_, err = f.WriteAt(data, size)
	return errors.Join(err, f.Close())
}

func indexBytes(transactional bool) []byte {
	buf := make([]byte, indexEntry)
	buf[0] = indexFormat
	if transactional {
		buf[14] = 1
	}
	buf[1] = byte(crc32.Checksum(buf[2:], castagnoli))
	return buf
}

// marker is the batch that ends a transaction at an offset.
func marker(id txn, commit bool, offset int64) []byte {
	key := kmsg.ControlRecordKey{Type: kmsg.ControlRecordKeyTypeAbort}
	if commit {
		key.Type = kmsg.ControlRecordKeyTypeCommit
	}
	end := kmsg.EndTxnMarker{}
	rec := kmsg.Record{Key: key.AppendTo(nil), Value: end.AppendTo(nil)}
	rec.Length = int32(len(rec.AppendTo(nil)) - 1)
	now := time.Now().UnixMilli()
	b := kmsg.RecordBatch{
		FirstOffset: offset, PartitionLeaderEpoch: 0, Magic: 2,
		Attributes: attrTransactional | attrControl, FirstTimestamp: now, MaxTimestamp: now,
		ProducerID: id.producer, ProducerEpoch: id.epoch, FirstSequence: -1,
		NumRecords: 1, Records: rec.AppendTo(nil),
	}
	return sealed(b)
}
