// Package resolve turns contributions into views. In come an entity's contributions, out go its
// resolved views with provenance, conflicts and field changes. Its state is a cache of topics
// (I3). It keeps I2, I3, I9, I10, I13 and I14.
package resolve
