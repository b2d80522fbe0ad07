package node

import (
	"context"

	"golang.org/x/sync/errgroup"
)

func (n *node) startAnalytics(context.Context, *errgroup.Group) error { return nil }
