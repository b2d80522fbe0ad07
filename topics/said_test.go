package topics

import (
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func TestSaidOnce(t *testing.T) {
	var said Said
	now := time.Now()
	for _, c := range []struct {
		after time.Duration
		text  string
		want  zerolog.Level
	}{
		{0, "refused", zerolog.WarnLevel},
		{time.Second, "refused", zerolog.DebugLevel},
		{2 * time.Second, "wrong password", zerolog.WarnLevel},
		{3 * time.Second, "wrong password", zerolog.DebugLevel},
		{2*time.Second + sayAgain, "wrong password", zerolog.WarnLevel},
		{3*time.Second + sayAgain, "wrong password", zerolog.DebugLevel},
	} {
		if got := said.Level(errors.New(c.text), now.Add(c.after)); got != c.want {
			t.Errorf("%q after %v: %v, want %v", c.text, c.after, got, c.want)
		}
	}
}
