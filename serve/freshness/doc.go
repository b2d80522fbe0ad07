// Package freshness answers "how fresh is what was just read". In come the frontiers that a
// view store has reached and what is known of each stream; out go immutable snapshots, which a
// request takes before it reads its rows, so that no answer claims more than it read (I4, I10).
package freshness
