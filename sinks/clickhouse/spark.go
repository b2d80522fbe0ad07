package clickhouse

import "math"

// Spark draws values as a line of blocks, the largest as a full one; NaN, which is unknown, is a
// blank, so that it is never taken for 0.
func Spark(values []float64) string {
	blocks := []rune("▁▂▃▄▅▆▇█")
	top := 0.0
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			top = max(top, v)
		}
	}
	line := make([]rune, len(values))
	for i, v := range values {
		switch {
		case math.IsNaN(v):
			line[i] = ' '
		case v >= top && top > 0:
			line[i] = blocks[len(blocks)-1]
		case v <= 0:
			line[i] = blocks[0]
		default:
			line[i] = blocks[int(v/top*float64(len(blocks)-1)+0.5)]
		}
	}
	return string(line)
}
