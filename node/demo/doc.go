// Package demo runs the example mesh on real databases of its own: it starts three Postgres
// servers, fills them, runs the mesh over them in this process, keeps changing them as a business
// would, and shows how the mesh follows. All it makes lies in one folder, so that a second run
// goes on where the first one ended.
package demo
