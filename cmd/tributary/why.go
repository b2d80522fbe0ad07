package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"tributary/serve/rest"
)

func (c *cli) why() *cobra.Command {
	var g gateway
	var locale string
	cmd := &cobra.Command{
		Use:   "why ENTITY ID [FIELD]",
		Short: "Tell where a value comes from, and why it is this one",
		Long: `Tell where the values of one entity come from: for each field the rule in words, the source row
that won with its transaction, and the rows that lost and why. Without FIELD it lists all fields.
Rows of the entity that lie in the dead letters are told, too.

The answer is for operators: it shows what the source rows say, personal data included.

With -o json and FIELD it prints one object (of a localized field an array, one for each locale,
unless --locale names one), without FIELD an array over all fields.`,
		Example: `  tributary why product SKU-1 price
  tributary why product SKU-1 name --locale de
  tributary why product SKU-1 price -o json | jq '.losers[].reason'`,
		Args:              arguments(cobra.RangeArgs(2, 3)),
		ValidArgsFunction: c.completeWhy,
		RunE: func(cmd *cobra.Command, args []string) error {
			base, err := g.url(c)
			if err != nil {
				return err
			}
			query := url.Values{}
			if len(args) == 3 {
				query.Set("field", args[2])
			}
			if locale != "" {
				query.Set("locale", locale)
			}
			var answer rest.Why
			path := "/v1/_why/" + url.PathEscape(args[0]) + "/" + url.PathEscape(args[1])
			if err := g.ask(cmd.Context(), base, path+"?"+query.Encode(), &answer); err != nil {
				return err
			}
			switch {
			case c.json():
				return c.printWhyJSON(&answer, len(args) == 3, locale)
			case len(args) == 3:
				c.printWhy(&answer)
			default:
				c.printWhyAll(&answer)
			}
			return nil
		},
	}
	g.flag(cmd)
	cmd.Flags().StringVar(&locale, "locale", "", "of a localized FIELD, only this locale")
	return cmd
}

// printWhyJSON prints what the architecture's section 8 says.
func (c *cli) printWhyJSON(w *rest.Why, field bool, locale string) error {
	for i := range w.Fields {
		w.Fields[i].Because = ""
	}
	if field && len(w.Fields) == 1 && w.Fields[0].Locale == locale {
		return c.printJSON(w.Fields[0])
	}
	return c.printJSON(w.Fields)
}

// printWhyAll prints a line for each field.
func (c *cli) printWhyAll(w *rest.Why) {
	p := paintFor(c.stdout)
	c.printWhyHead(p, w)
	t := table{head: []string{"FIELD", "VALUE", "RULE", "FROM", "SOURCE KEY", "SINCE", ""}}
	t.style = map[int]func(string) string{6: p.bad}
	for i := range w.Fields {
		f := &w.Fields[i]
		from, key, since, note := none, none, none, ""
		switch {
		case f.Winner != nil:
			from, key, since = f.Winner.Stream, printable(f.Winner.SourceKey), moment(f.Winner.CommitTime)
		case f.InputCount != nil:
			from = count(int(*f.InputCount), "row")
		}
		if f.Conflict {
			note = "conflict"
		}
		t.add(fieldName(f), clip(shown(f.Value), 40), f.Rule, from, clip(key, 24), since, note)
	}
	t.write(c.stdout, p)
	c.printHeld(p, w)
}

func (c *cli) printWhyHead(p paint, w *rest.Why) {
	verified := "never verified"
	if w.StalenessMs != nil {
		verified = "verified through " + moment(*w.VerifiedThrough) + ", " + millis(w.StalenessMs) + " ago"
	}
	fmt.Fprintf(c.stdout, "%s  %s, %s, version %s\n\n", p.bold(w.Entity+" "+w.ID), p.state(w.State), verified, w.Version)
}

// printWhy tells all there is of a field.
func (c *cli) printWhy(w *rest.Why) {
	p := paintFor(c.stdout)
	c.printWhyHead(p, w)
	for i := range w.Fields {
		f := &w.Fields[i]
		note := ""
		if f.Conflict {
			note = "  " + p.bad("conflict")
		}
		fmt.Fprintf(c.stdout, "%s = %s%s\n", p.bold(fieldName(f)), shown(f.Value), note)
		fmt.Fprintf(c.stdout, "  rule  %s: %s\n", f.Rule, f.Because)
		if f.Winner != nil {
			c.printRow("won ", p.good, f.Winner)
		}
		for j := range f.Inputs {
			c.printRow("in  ", p.faint, &f.Inputs[j])
		}
		if f.InputCount != nil {
			c.printMore(*f.InputCount, len(f.Inputs))
		}
		for j := range f.Losers {
			c.printRow("lost", p.warn, &f.Losers[j])
		}
		c.printMore(f.LoserCount, len(f.Losers))
		fmt.Fprintln(c.stdout)
	}
	c.printHeld(p, w)
}

func (c *cli) printMore(all int64, listed int) {
	if more := all - int64(listed); more > 0 {
		fmt.Fprintf(c.stdout, "        and %s more\n", grouped(more))
	}
}

// printRow prints a source row's part in a field.
func (c *cli) printRow(part string, style func(string) string, r *rest.SourceRow) {
	value := ""
	if r.Value != nil {
		value = " said " + shown(r.Value)
	}
	fmt.Fprintf(c.stdout, "  %s  %s, row %s%s\n", style(part), r.Stream, printable(r.SourceKey), value)
	tx := ""
	if r.TxID != nil {
		tx = fmt.Sprintf(" in transaction %d", *r.TxID)
	}
	fmt.Fprintf(c.stdout, "        committed %s%s, at %s\n", moment(r.CommitTime), tx, r.Position)
	if !r.SourceTime.Equal(r.CommitTime) {
		fmt.Fprintf(c.stdout, "        its own time is %s\n", moment(r.SourceTime))
	}
	if r.Reason != "" {
		fmt.Fprintf(c.stdout, "        why: %s\n", r.Reason)
	}
}

func (c *cli) printHeld(p paint, w *rest.Why) {
	for _, h := range w.Held {
		fmt.Fprintf(c.stdout, "%s %s, row %s, of %s: it lies in the dead letters as %s; until it is mended the last good value stands\n",
			p.bad("held"), h.Stream, printable(h.SourceKey), moment(h.Time), h.DeadID)
	}
}

func fieldName(f *rest.WhyField) string {
	if f.Locale != "" {
		return f.Field + " (" + f.Locale + ")"
	}
	return f.Field
}

// shown is a JSON value for people: texts without quotes, nothing where there is none.
func shown(v json.RawMessage) string {
	var text string
	switch {
	case len(v) == 0, string(v) == "null":
		return none
	case json.Unmarshal(v, &text) == nil:
		return printable(text)
	}
	return string(v)
}

// printable keeps what databases hold from steering the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\ufffd'
		}
		return r
	}, text)
}

func clip(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// moment writes a time as RFC 3339 in UTC, to the millisecond.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
