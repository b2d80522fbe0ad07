package topics

import (
	"time"

	"github.com/rs/zerolog"
)

// sayAgain is how often a fault that stays the same is told.
const sayAgain = time.Minute

// A Said keeps a fault that comes back with each retry from filling the log. It belongs to the one
// goroutine that retries; the zero value is ready.
type Said struct {
	text string
	at   time.Time
}

// Level is warn for a fault that is new, and once a minute for one that stays; debug otherwise.
func (s *Said) Level(err error, now time.Time) zerolog.Level {
	if text := err.Error(); text != s.text || now.Sub(s.at) >= sayAgain {
		s.text, s.at = text, now
		return zerolog.WarnLevel
	}
	return zerolog.DebugLevel
}
