package topics

import "sync"

// maxPending bounds the claims of one input that wait to be reached.
const maxPending = 64

// A Watermark is what a claim says once it is reached.
type Watermark struct {
	Position Position
	Time     int64 // µs since 1970; 0: unknown
}

// A Frontier follows the claims on one partition of a topic and says which watermarks a reader
// of that partition has reached (I4). Its lock protects everything in it: claims arrive from
// the follower's goroutine, offsets from the reader's.
type Frontier struct {
	mu        sync.Mutex
	topic     string
	partition int32
	streams   map[string][]input // one for each input that must list the partition
	reached   map[string]Watermark
	next      int64
}

// An input holds the claims of one writer's input: the one reached, and those behind it.
type input struct {
	number  int32
	reached Watermark
	known   bool
	pending []pendingClaim // ends and watermarks ascend
}

type pendingClaim struct {
	end int64
	Watermark
}

// NewFrontier follows partition of topic. inputs names, for each stream, the inputs whose
// claims must list the partition: until each of them has, the stream has no watermark.
func NewFrontier(topic string, partition int32, inputs map[string][]int32) *Frontier {
	f := &Frontier{topic: topic, partition: partition, streams: map[string][]input{}, reached: map[string]Watermark{}}
	for stream, numbers := range inputs {
		for _, n := range numbers {
			f.streams[stream] = append(f.streams[stream], input{number: n})
		}
	}
	return f
}

// Claim takes a claim; those that do not concern the partition are ignored. It says whether the
// claim was taken.
func (f *Frontier) Claim(k ClaimKey, c Claim) bool {
	if k.Topic != f.topic || int(f.partition) >= len(c.Ends) || c.Ends[f.partition] < 0 {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.streams[k.Stream] {
		in := &f.streams[k.Stream][i]
		if in.number == k.Input {
			in.push(pendingClaim{c.Ends[f.partition], Watermark{c.Position, c.Time}})
			return true
		}
	}
	return false
}

func (in *input) push(c pendingClaim) {
	if len(in.pending) == maxPending {
		// A reader far behind needs no fine steps: every second one will do, and a claim that is
		// left out only makes the frontier later, never earlier.
		kept := in.pending[:0]
		for i := 1; i < maxPending; i += 2 {
			kept = append(kept, in.pending[i])
		}
		in.pending = kept
	}
	in.pending = append(in.pending, c)
}

// Advance says that everything visible below next has been applied, and gives the streams whose
// watermark moved by that or by claims that came since the last call. A next lower than before
// is ignored.
func (f *Frontier) Advance(next int64) map[string]Watermark {
	beforeReached()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = max(f.next, next)
	var moved map[string]Watermark
	for stream, inputs := range f.streams {
		w, ok := least(inputs, f.next)
		if !ok || w == f.reached[stream] {
			continue
		}
		f.reached[stream] = w
		if moved == nil {
			moved = map[string]Watermark{}
		}
		moved[stream] = w
	}
	return moved
}

// Pending says whether a claim waits for an offset that has not been reached.
func (f *Frontier) Pending() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, inputs := range f.streams {
		for _, in := range inputs {
			if len(in.pending) > 0 {
				return true
			}
		}
	}
	return false
}

// Reached is the watermark of a stream; false while it has none.
func (f *Frontier) Reached(stream string) (Watermark, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w, ok := f.reached[stream]
	return w, ok
}

// least pops what next has reached and gives the least watermark of all inputs; ok is false
// while one of them has none.
func least(inputs []input, next int64) (w Watermark, ok bool) {
	for i := range inputs {
		in := &inputs[i]
		n := 0
		for n < len(in.pending) && reached(in.pending[n].end, next) {
			in.raise(in.pending[n].Watermark)
			n++
		}
		in.pending = in.pending[n:]
		if !in.known {
			return w, false
		}
		if i == 0 {
			w = in.reached
			continue
		}
		w.Time = min(w.Time, in.reached.Time)
		if in.reached.Position.Compare(w.Position) < 0 {
			w.Position = in.reached.Position
		}
	}
	return w, len(inputs) > 0
}

// raise takes a reached watermark; neither part of it ever falls.
func (in *input) raise(w Watermark) {
	in.known = true
	in.reached.Time = max(in.reached.Time, w.Time)
	if w.Position.Compare(in.reached.Position) > 0 {
		in.reached.Position = w.Position
	}
}
