package registry

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// deleteSubject deletes all versions of a subject, or removes its deleted versions for good,
// and gives their numbers.
func (s *Server) deleteSubject(ctx context.Context, subject string, permanent bool) (numbers []int, _ error) {
	err := s.write(ctx, func(c *catalog) ([]*kgo.Record, error) {
		all, live := c.subjects[subject], c.live(subject)
		switch {
		case len(all) == 0:
			return nil, noSubject(subject)
		case permanent && len(live) > 0:
			return nil, fail(codeSubjectNotSoft, "Subject '%s' was not deleted first before being permanently deleted.", subject)
		case !permanent && len(live) == 0:
			return nil, fail(codeSubjectDeleted, "Subject '%s' was soft deleted. Set permanent=true to delete permanently.", subject)
		}
		gone := live
		if permanent {
			gone = all
		}
		numbers = numbersOf(gone)
		if err := c.unreferenced(subject, numbers, permanent); err != nil {
			return nil, err
		}
		if !permanent {
			return []*kgo.Record{deleteSubjectRecord(subject, last(all).number)}, nil
		}
		return c.removal(subject, gone), nil
	})
	return numbers, err
}

// deleteVersion deletes one version, or removes a deleted one for good, and gives its number.
func (s *Server) deleteVersion(ctx context.Context, subject, which string, permanent bool) (number int, _ error) {
	err := s.write(ctx, func(c *catalog) ([]*kgo.Record, error) {
		v, err := c.pick(subject, which, true)
		if err != nil {
			return nil, err
		}
		number = v.number
		switch {
		case permanent && !v.deleted:
			return nil, fail(codeVersionNotSoft, "Subject '%s' Version %d was not deleted first before being permanently deleted.", subject, v.number)
		case !permanent && v.deleted:
			return nil, fail(codeVersionDeleted, "Subject '%s' Version %d was soft deleted. Set permanent=true to delete permanently.", subject, v.number)
		}
		if err := c.unreferenced(subject, []int{v.number}, permanent); err != nil {
			return nil, err
		}
		if !permanent {
			return []*kgo.Record{schemaRecord(subject, v.asDeleted())}, nil
		}
		return c.removal(subject, []*version{v}), nil
	})
	return number, err
}

// removal gives the tombstones of versions; with the last one the subject's settings go too.
func (c *catalog) removal(subject string, gone []*version) []*kgo.Record {
	// First, so that no reader ever sees the schemas gone without their ids being burnt.
	records := []*kgo.Record{maxIDRecord(c.maxID)}
	for _, v := range gone {
		records = append(records, schemaTombstone(subject, v.number))
	}
	if len(gone) == len(c.subjects[subject]) {
		records = append(records, subjectTombstone(keyDeleteSubject, subject))
		if _, ok := c.levels[subject]; ok {
			records = append(records, subjectTombstone(keyConfig, subject))
		}
	}
	return records
}

// unreferenced refuses to delete versions that other schemas need. Before a soft delete only
// live referrers count; for good, a soft-deleted one still has readers.
func (c *catalog) unreferenced(subject string, numbers []int, permanent bool) error {
	for _, n := range numbers {
		for _, r := range c.referrers(subject, n) {
			if permanent || !r.deleted {
				return fail(codeReferenced, "One or more references exist to the schema {subject=%s,version=%d}.", subject, n)
			}
		}
	}
	return nil
}

func numbersOf(versions []*version) []int {
	out := make([]int, 0, len(versions))
	for _, v := range versions {
		out = append(out, v.number)
	}
	return slices.Clip(out)
}
