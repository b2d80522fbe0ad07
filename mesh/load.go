package mesh

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// apiVersion is the format that this package reads.
const apiVersion = "tributary/v1"

// maxFile bounds the bytes of one file of a manifest.
const maxFile = 4 << 20

// A File is a file of a manifest. Its name stands in faults.
type File struct {
	Name string
	Text []byte
}

// Load reads a manifest from files and folders; of a folder all *.yaml and *.yml, by name. env
// looks up environment variables, as os.LookupEnv does; where it is nil, references stay
// unresolved, so that a manifest can be checked without its secrets. What is wrong with the
// manifest comes as Faults, all at once.
func Load(paths []string, env func(string) (string, bool)) (*Mesh, error) {
	var names []string
	for _, p := range paths {
		more, err := filesOf(p)
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	var files []File
	seen := map[string]bool{}
	for _, name := range names {
		if seen[filepath.Clean(name)] {
			continue // named twice, or by its folder too
		}
		seen[filepath.Clean(name)] = true
		f, err := readFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return Parse(files, env)
}

// filesOf gives the files of a manifest that a path stands for.
func filesOf(path string) ([]string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	if !st.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	var names []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, filepath.Join(path, e.Name()))
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("the manifest's folder %s holds no *.yaml or *.yml file", path)
	}
	return names, nil
}

func readFile(name string) (File, error) {
	f, err := os.Open(name)
	if err != nil {
		return File{}, fmt.Errorf("read the manifest: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return File{}, fmt.Errorf("read the manifest: %w", err)
	}
	return File{Name: name, Text: text}, nil
}

// Parse makes a Mesh of the text of a manifest's files; env is as for Load. What is wrong comes
// as Faults, all at once.
func Parse(files []File, env func(string) (string, bool)) (*Mesh, error) {
	c := newCollector(files)
	d := &draft{collector: c, mesh: &Mesh{MaxOutage: 7 * day}}
	for _, f := range files {
		r := &reader{collector: c, file: f.Name, env: env}
		for _, doc := range r.documents(f) {
			d.document(r, doc)
		}
	}
	if d.header.node == nil && len(files) > 0 && !c.hasSyntaxFault {
		c.add(Pos{File: files[0].Name, Line: 1, Column: 1}, "the manifest has no header",
			"begin one document with apiVersion: "+apiVersion+" and mesh: NAME")
	}
	d.link()
	d.check()
	if err := c.err(); err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errors.New("no file of a manifest was named")
	}
	return d.mesh, nil
}

// documents gives the documents of a file that are not empty.
func (r *reader) documents(f File) []*yaml.Node {
	if len(f.Text) > maxFile {
		r.syntaxFault(Pos{File: f.Name}, fmt.Sprintf("the file is larger than %d MiB", maxFile>>20), "split it")
		return nil
	}
	var docs []*yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(f.Text))
	for {
		var n yaml.Node
		err := dec.Decode(&n)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			r.syntaxFault(syntaxPos(f, err), "this is no valid YAML: "+syntaxProblem(err), "")
			return docs
		}
		if n.Kind == yaml.DocumentNode && len(n.Content) == 1 && n.Content[0].Tag != "!!null" {
			docs = append(docs, n.Content[0])
		}
	}
}

// syntaxFault reports a file that could not be read whole: what is missing may stand in it.
func (r *reader) syntaxFault(p Pos, what, suggestion string) {
	r.hasSyntaxFault = true
	r.add(p, what, suggestion)
}

var (
	yamlLine   = regexp.MustCompile(`line (\d+): `)
	yamlAnchor = regexp.MustCompile(`unknown anchor '([^']*)' referenced`)
	// yamlParser tells the library's parser errors, whose lines count from 0, from its scanner's.
	yamlParser = regexp.MustCompile(`did not find expected (node content|key|',' or|'-' indicator|<)`)
)

// syntaxPos finds the place in the YAML library's message: it names a line, but no column.
func syntaxPos(f File, err error) Pos {
	lines := strings.Split(string(f.Text), "\n")
	p := Pos{File: f.Name, Line: 1}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		if yamlParser.MatchString(err.Error()) {
			p.Line++
		}
	}
	if m := yamlAnchor.FindStringSubmatch(err.Error()); m != nil {
		p.Line = 1 + max(0, slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "*"+m[1]) }))
	}
	p.Line = min(max(p.Line, 1), len(lines))
	line := lines[p.Line-1]
	p.Column = 1 + len(line) - len(strings.TrimLeft(line, " "))
	return p
}

// syntaxProblem is the YAML library's message without its place, and without an anchor's name:
// a password that begins with * reads as one (I11).
func syntaxProblem(err error) string {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	msg = yamlLine.ReplaceAllString(msg, "")
	if yamlAnchor.MatchString(msg) {
		return "text that begins with * must be in quotes"
	}
	return msg
}

// document tells which of the three kinds of document this is and reads it.
func (d *draft) document(r *reader, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		r.fault(n, "a document must be a mapping, found "+describe(n), "begin it with mesh:, system: or entity:")
		return
	}
	var keys []string
	for i := 0; i < len(n.Content); i += 2 {
		keys = append(keys, n.Content[i].Value)
	}
	switch nearestShape(keys) {
	case "entity":
		d.entity(r, n)
	case "system":
		d.system(r, n)
	case "mesh":
		d.readHeader(r, n)
	default:
		r.fault(n, "a document must be the mesh's header, a system or an entity", "begin it with mesh:, system: or entity:")
	}
}

// nearestShape says what a document is, by its own key or else by most of its keys.
func nearestShape(keys []string) string {
	best, most := "", 0
	for _, s := range []shape{entityShape(), systemShape(), headerShape()} {
		if slices.Contains(keys, s.def) {
			return s.def
		}
		n := 0
		for _, k := range keys {
			if slices.Contains(s.names(), k) {
				n++
			}
		}
		if n > most {
			best, most = s.def, n
		}
	}
	return best
}
