package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
)

// The section of bench/README.md that -write replaces stands between these lines.
const (
	beginMark = "<!-- figures: written by go run ./bench -write -->"
	endMark   = "<!-- end of figures -->"
)

// markdown gives results as a table each, with what they were measured on and how to repeat them.
func markdown(results []result) string {
	var out strings.Builder
	for _, r := range results {
		fmt.Fprintf(&out, "### %s: %s\n\n", r.Bench, r.Size)
		fmt.Fprintf(&out, "%s, commit `%s`, on %s, load %.1f before and %.1f after. Repeat: `%s`\n\n",
			r.Date, r.Commit, r.Machine, r.Load[0], r.Load[1], r.Command)
		out.WriteString("| figure | median | runs | unit | aim |\n|---|--:|---|---|---|\n")
		for _, f := range r.Figures {
			fmt.Fprintf(&out, "| %s | %s | %s | %s | %s |\n", f.Name, number(f.value()), spread(f.Runs), f.Unit, f.Aim)
		}
		out.WriteString("\n")
	}
	return out.String()
}

// unmeasured names the benches that have no figures.
func unmeasured(results []result) string {
	var ids []string
	for _, b := range suite() {
		if !slices.ContainsFunc(results, func(r result) bool { return r.Bench == b.id }) {
			ids = append(ids, b.id)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return "Not measured yet: " + strings.Join(ids, ", ") + ".\n"
}

// spread names the lowest and highest run, and how many there were.
func spread(runs []float64) string {
	if len(runs) < 2 {
		return "1"
	}
	return fmt.Sprintf("%s – %s (%d)", number(slices.Min(runs)), number(slices.Max(runs)), len(runs))
}

// number writes three significant digits, and whole numbers with their thousands apart.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "–"
	case a >= 1000:
		return grouped(int(math.Round(v)))
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// replaceSection puts text between the marks of a document.
func replaceSection(document []byte, text string) ([]byte, error) {
	begin := bytes.Index(document, []byte(beginMark))
	end := bytes.Index(document, []byte(endMark))
	if begin < 0 || end < begin {
		return nil, errors.New("the lines " + beginMark + " and " + endMark + " are not there in this order; put them back")
	}
	var out bytes.Buffer
	out.Write(document[:begin+len(beginMark)])
	out.WriteString("\n\n" + strings.TrimSpace(text) + "\n\n")
	out.Write(document[end:])
	return out.Bytes(), nil
}

// publish merges results into the kept ones and writes both files.
func publish(resultsPath, readmePath string, results []result) error {
	kept, err := readResults(resultsPath)
	if err != nil {
		return err
	}
	kept = merge(kept, results)
	document, err := os.ReadFile(readmePath)
	if err != nil {
		return err
	}
	if document, err = replaceSection(document, markdown(kept)+unmeasured(kept)); err != nil {
		return fmt.Errorf("%s: %w", readmePath, err)
	}
	if err := writeResults(resultsPath, kept); err != nil {
		return err
	}
	return os.WriteFile(readmePath, document, 0o644)
}
