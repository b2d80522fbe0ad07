package topics

import (
	"math"
	"sync/atomic"
	"time"
)

// Latencies are counted in buckets that grow by a constant factor, so that sketches merge by
// adding counts and every percentile, over any time, is within 2% of the true one (DDSketch:
// Masson, Rim, Lee, VLDB 2019). Bucket 0 holds up to 1 ms, the last one everything over 30 days.
const (
	sketchGrowth  = 51.0 / 49.0 // (1+α)/(1−α) for α = 2%
	sketchBuckets = 544
)

// A Bucket counts values in (sketchGrowth^(Index−1), sketchGrowth^Index] milliseconds.
type Bucket struct {
	Index int32
	Count int64
}

// BucketOf gives the index of the bucket that counts a latency; negative ones, from clocks that
// disagree, count as 0.
func BucketOf(d time.Duration) int32 {
	ms := float64(d) / float64(time.Millisecond)
	if ms <= 1 {
		return 0
	}
	return int32(min(math.Ceil(math.Log(ms)/math.Log(sketchGrowth)), sketchBuckets-1))
}

// BucketValue gives the value that stands for a bucket, within 2% of all that it counts.
func BucketValue(index int32) time.Duration {
	if index <= 0 {
		return time.Millisecond
	}
	ms := 2 * math.Pow(sketchGrowth, float64(index)) / (sketchGrowth + 1)
	return time.Duration(ms * float64(time.Millisecond))
}

// sketch counts latencies since the process began; any goroutine may add.
type sketch struct {
	counts [sketchBuckets]atomic.Int64
	micros atomic.Int64 // sum of all latencies
}

func (s *sketch) add(d time.Duration) {
	s.counts[BucketOf(d)].Add(1)
	s.micros.Add(max(d, 0).Microseconds())
}

// since gives what was counted since the counts in before, and the counts now.
func (s *sketch) since(before *[sketchBuckets]int64) (added []Bucket, now *[sketchBuckets]int64) {
	now = new([sketchBuckets]int64)
	for i := range s.counts {
		now[i] = s.counts[i].Load()
		if n := now[i] - before[i]; n > 0 {
			added = append(added, Bucket{Index: int32(i), Count: n})
		}
	}
	return added, now
}
