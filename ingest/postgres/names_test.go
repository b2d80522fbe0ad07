package postgres

import (
	"slices"
	"strings"
	"testing"

	"tributary/ingest"
)

func TestResume(t *testing.T) {
	t.Parallel()
	c := cursor{lsn: 0x16_B374D848, system: "7392817263512", timeline: 3}
	text := c.append(nil)
	if string(text) != "16/B374D848@7392817263512/3" {
		t.Errorf("resume is %s", text)
	}
	if got, err := parseResume(text); err != nil || got != c {
		t.Errorf("%s was read as %+v: %v", text, got, err)
	}
	for _, bad := range []string{"", "16/1", "16/1@5", "x@5/1", "16/1@5/x"} {
		if _, err := parseResume(ingest.Resume(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestTimelineEnd(t *testing.T) {
	t.Parallel()
	const history = "1\t0/3000000\tno recovery target specified\n\n2\t0/5000028\tno recovery target specified\n"
	for timeline, want := range map[int32]uint64{1: 0x3000000, 2: 0x5000028, 3: 0} {
		if got, ok := timelineEnd(history, timeline); uint64(got) != want || ok != (want != 0) {
			t.Errorf("timeline %d ends at %s (%v)", timeline, got, ok)
		}
	}
}

func TestObjectNames(t *testing.T) {
	t.Parallel()
	if got := objectName("acme", "erp"); got != "tributary_acme_erp" {
		t.Errorf("plain names give %s", got)
	}
	seen := map[string]bool{}
	for _, system := range []string{"erp", "ERP", "erp-eu", "erp_eu", strings.Repeat("x", 80), strings.Repeat("x", 81), "größe"} {
		name := objectName("acme", system)
		if len(name) > maxIdentifier || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || seen[name] {
			t.Errorf("system %s gets %s: too long, no slot's name, or another's", system, name)
		}
		seen[name] = true
	}
}

func TestAvroNames(t *testing.T) {
	t.Parallel()
	got := avroNames([]string{"a b", "a_b", "a-b", "a_b_2", "1st", "größe"})
	want := []string{"a_b_3", "a_b", "a_b_4", "a_b_2", "_1st", "gr__e"}
	if !slices.Equal(got, want) {
		t.Errorf("names are %q, want %q", got, want)
	}
}
