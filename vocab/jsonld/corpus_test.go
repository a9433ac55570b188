package jsonld

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"lianmu/vocab/vocabtest"
)

// lines calls f with every line of a gzipped file.
func lines(t testing.TB, path string, f func(n int, line []byte)) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	s := bufio.NewScanner(unzipped)
	s.Buffer(nil, 4<<20)
	for n := 1; s.Scan(); n++ {
		f(n, s.Bytes())
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
}

// TestCorpus expands every real record, and looks for its title and its own
// name for the title.
func TestCorpus(t *testing.T) {
	files := map[string]string{ // and the member that its titles are in
		"firstdata.jsonl.gz": "dct:title", "mobility.jsonl.gz": "title",
		"mobility-history.jsonl.gz": "title", "datagov.jsonl.gz": "title",
	}
	const titleIRI = "http://purl.org/dc/terms/title"
	p := New(Limits{})
	for file, member := range files {
		t.Run(file, func(t *testing.T) {
			count := 0
			lines(t, vocabtest.Shared(t, filepath.Join("corpus", file)), func(n int, line []byte) {
				var event struct {
					Op  string          `json:"op"`
					Doc json.RawMessage `json:"doc"`
				}
				if err := json.Unmarshal(line, &event); err != nil {
					t.Fatal(err)
				}
				if event.Op == "delete" {
					return
				}
				if event.Op == "put" {
					line = event.Doc
				}
				d, err := p.Decode(append([]byte(nil), line...))
				if err != nil {
					t.Fatalf("line %d: %v", n, err)
				}
				g, err := p.Expand(t.Context(), d)
				if err != nil {
					t.Fatalf("line %d: %v", n, err)
				}
				if len(g.Nodes) != 1 {
					t.Fatalf("line %d: %d nodes", n, len(g.Nodes))
				}
				if d.Object[member] != nil && g.Nodes[0][titleIRI] == nil {
					t.Fatalf("line %d: no title", n)
				}
				if d.Object[member] != nil && g.Name(titleIRI) != member {
					t.Fatalf("line %d: title is called %q", n, g.Name(titleIRI))
				}
				agreesWithGold(t, p, d, g)
				count++
			})
			t.Logf("%d documents", count)
		})
	}
}
