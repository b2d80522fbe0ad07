package topics

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A storedBatch is a record batch (magic 2) of a segment, as on the wire.
type storedBatch struct{ raw []byte }

func (b storedBatch) first() int64    { return int64(binary.BigEndian.Uint64(b.raw)) }
func (b storedBatch) next() int64     { return b.first() + int64(binary.BigEndian.Uint32(b.raw[23:])) + 1 }
func (b storedBatch) attrs() uint16   { return binary.BigEndian.Uint16(b.raw[21:]) }
func (b storedBatch) time() int64     { return int64(binary.BigEndian.Uint64(b.raw[27:])) }
func (b storedBatch) producer() int64 { return int64(binary.BigEndian.Uint64(b.raw[43:])) }
func (b storedBatch) count() int64    { return int64(int32(binary.BigEndian.Uint32(b.raw[57:]))) }
func (b storedBatch) control() bool   { return b.attrs()&attrControl != 0 }
func (b storedBatch) inTxn() bool     { return b.attrs()&attrTransactional != 0 && !b.control() }
func (b storedBatch) isCommit() bool  { return isCommit(b.raw[batchHeader:]) }
func (b storedBatch) records() []byte { return b.raw[batchHeader:] }
func (b storedBatch) codec() kgo.CompressionCodecType {
	return kgo.CompressionCodecType(b.attrs() & 7)
}

var errSegment = errors.New("the segment is damaged")

// bases gives the base offsets of a partition's segments, in order.
func bases(dir string) ([]int64, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.dat"))
	if err != nil {
		return nil, err
	}
	var out []int64
	for _, name := range names {
		base, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(name), ".dat"), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is not a segment: %w", name, err)
		}
		out = append(out, base)
	}
	slices.Sort(out)
	return out, nil
}

// eachBatch calls fn with the batches of a partition, in order; a batch is valid during the call.
// One cut short at the end is left out, as kfake leaves it out.
func eachBatch(dir string, fn func(storedBatch) error) error {
	all, err := bases(dir)
	if err != nil {
		return err
	}
	var buf []byte
	for _, base := range all {
		if buf, err = eachBatchOf(filepath.Join(dir, strconv.FormatInt(base, 10)+".dat"), buf, fn); err != nil {
			return fmt.Errorf("segment %d of %s: %w", base, dir, err)
		}
	}
	return nil
}

func eachBatchOf(path string, buf []byte, fn func(storedBatch) error) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return buf, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	for {
		head, err := r.Peek(12)
		if err != nil {
			return buf, ignoreEOF(err)
		}
		size := 12 + int(binary.BigEndian.Uint32(head[8:]))
		if size < batchHeader || size > 1<<30 {
			return buf, errSegment
		}
		buf = slices.Grow(buf[:0], size)[:size]
		if _, err := io.ReadFull(r, buf); err != nil {
			return buf, ignoreEOF(err)
		}
		if crc32.Checksum(buf[21:], castagnoli) != binary.BigEndian.Uint32(buf[17:]) {
			return buf, errSegment
		}
		if err := fn(storedBatch{buf}); err != nil {
			return buf, err
		}
	}
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// A storedRecord is a record of a batch; key is nil for null.
type storedRecord struct {
	offset, time int64
	attrs        byte
	key          []byte
	tombstone    bool
	tail         []byte // from the key's length on, as on the wire
}

// eachRecord calls fn with the records of a batch. Layout: length, attributes, timestamp delta,
// offset delta, key, value, headers; numbers are zigzag varints.
// Source: kafka.apache.org/documentation, "Record".
func eachRecord(b storedBatch, d kgo.Decompressor, fn func(storedRecord) error) error {
	rest := b.records()
	if c := b.codec(); c != kgo.CodecNone {
		var err error
		if rest, err = d.Decompress(rest, c); err != nil {
			return fmt.Errorf("batch at offset %d: %w", b.first(), err)
		}
	}
	for range b.count() {
		n, used := binary.Varint(rest)
		if used <= 0 || n < 1 || n > int64(len(rest)-used) {
			return errSegment
		}
		body := rest[used : used+int(n)]
		rest = rest[used+int(n):]
		r := storedRecord{attrs: body[0]}
		at := 1
		number := func() int64 {
			v, used := binary.Varint(body[at:])
			if used <= 0 {
				at = len(body)
				return -1
			}
			at += used
			return v
		}
		r.time, r.offset = b.time()+number(), b.first()+number()
		r.tail = body[at:]
		if size := number(); size >= 0 {
			if size > int64(len(body)-at) {
				return errSegment
			}
			r.key = body[at : at+int(size) : at+int(size)]
			if r.key == nil {
				r.key = []byte{}
			}
			at += int(size)
		}
		if at >= len(body) {
			return errSegment
		}
		r.tombstone = number() < 0
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

// A segmentWriter writes a partition anew: segments, each with its index beside it.
type segmentWriter struct {
	dir         string
	size        int // of the segment at hand
	data, index *bufio.Writer
	files       [2]*os.File
	compressor  kgo.Compressor
	records     []byte // of the batch at hand
	count       int32
	base, last  storedRecord // of the batch at hand: its first and latest
	newest      int64        // its highest time
}

const (
	rewriteBytes = 1 << 20  // a rewritten batch is closed at the latest when it holds so much
	segmentBytes = 64 << 20 // and a segment: kfake reads one at a time
)

func newSegmentWriter(dir string) (*segmentWriter, error) {
	c, err := kgo.DefaultCompressor(kgo.Lz4Compression())
	return &segmentWriter{dir: dir, compressor: c}, err
}

// roll begins a segment whose first batch has the offset base.
func (w *segmentWriter) roll(base int64) error {
	if err := w.end(); err != nil {
		return err
	}
	w.size = 0
	for i, ext := range []string{".dat", ".idx"} {
		var err error
		if w.files[i], err = os.Create(filepath.Join(w.dir, strconv.FormatInt(base, 10)+ext)); err != nil {
			return err
		}
	}
	w.data, w.index = bufio.NewWriterSize(w.files[0], 1<<20), bufio.NewWriter(w.files[1])
	return nil
}

// add appends a record, which is committed and belongs to no transaction any more.
func (w *segmentWriter) add(r storedRecord) error {
	if w.count > 0 && (len(w.records) >= rewriteBytes || r.offset-w.base.offset > 1<<30) {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if w.count == 0 {
		w.base, w.newest = r, r.time
	}
	body := append(make([]byte, 0, len(r.tail)+24), r.attrs)
	body = binary.AppendVarint(body, r.time-w.base.time)
	body = binary.AppendVarint(body, r.offset-w.base.offset)
	body = append(body, r.tail...)
	w.records = append(binary.AppendVarint(w.records, int64(len(body))), body...)
	w.last, w.newest = r, max(w.newest, r.time)
	w.count++
	return nil
}

// flush writes the batch at hand.
func (w *segmentWriter) flush() error {
	if w.count == 0 {
		return nil
	}
	packed, codec := w.compressor.Compress(new(bytes.Buffer), w.records)
	b := kmsg.RecordBatch{FirstOffset: w.base.offset, Magic: 2, Attributes: int16(codec),
		LastOffsetDelta: int32(w.last.offset - w.base.offset), FirstTimestamp: w.base.time, MaxTimestamp: w.newest,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: w.count, Records: packed}
	w.records, w.count = w.records[:0], 0
	return w.write(sealed(b), false)
}

// keep writes a batch as it is.
func (w *segmentWriter) keep(b storedBatch) error {
	if err := w.flush(); err != nil {
		return err
	}
	return w.write(b.raw, b.inTxn())
}

func (w *segmentWriter) write(raw []byte, inTxn bool) error {
	if w.data == nil || w.size > segmentBytes {
		if err := w.roll(storedBatch{raw}.first()); err != nil {
			return err
		}
	}
	w.size += len(raw)
	_, err := w.data.Write(raw)
	if err == nil {
		_, err = w.index.Write(indexBytes(inTxn))
	}
	return err
}

// finish writes what is left and makes it durable.
func (w *segmentWriter) finish() error {
	if err := w.flush(); err != nil {
		return errors.Join(err, w.close())
	}
	return w.end()
}

// end ends the segment at hand.
func (w *segmentWriter) end() error {
	if w.data == nil {
		return nil
	}
	err := errors.Join(w.data.Flush(), w.index.Flush())
	w.data = nil
	for _, f := range w.files {
		if err == nil {
			err = f.Sync()
		}
	}
	return errors.Join(err, w.close())
}

func (w *segmentWriter) close() error {
	var faults []error
	for i, f := range w.files {
		if f != nil {
			faults = append(faults, f.Close())
			w.files[i] = nil
		}
	}
	return errors.Join(faults...)
}

// sealed encodes a batch with its length and checksum.
func sealed(b kmsg.RecordBatch) []byte {
	enc := b.AppendTo(nil)
	binary.BigEndian.PutUint32(enc[8:], uint32(len(enc)-12))
	binary.BigEndian.PutUint32(enc[17:], crc32.Checksum(enc[21:], castagnoli))
	return enc
}
