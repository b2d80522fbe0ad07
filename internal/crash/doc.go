// Package crash tries what the mesh promises under SIGKILL. A Node is the real binary as a child
// process, killed at random moments; a Load writes rising values to the sources and remembers when
// each was acknowledged; a Reader asks the gateway all the while. No answer may be older than the
// verifiedThrough that it claims (I4, I10), show what was never written, or go back.
package crash
