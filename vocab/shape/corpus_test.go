package shape

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"lianmu/vocab/jsonld"

	"lianmu/vocab/vocabtest"
)

// plain is what a reader that knows nothing of JSON-LD finds in a record.
type plain struct {
	hasTitle bool
	titles   []string
	keywords map[string]bool
	hasBox   bool
	modified string
}

func readPlain(t *testing.T, doc map[string]any) plain {
	p := plain{keywords: map[string]bool{}}
	for k, v := range doc {
		switch k {
		case "title", "dct:title":
			p.titles = texts(v)
			p.hasTitle = len(p.titles) > 0
		case "keyword", "dcat:keyword":
			for _, w := range texts(v) {
				if w = strings.TrimSpace(w); w != "" {
					p.keywords[w] = true
				}
			}
		case "modified":
			p.modified, _ = v.(string)
		case "spatial":
			m, ok := v.(map[string]any)
			p.hasBox = ok && m["bbox"] != nil
		}
	}
	return p
}

func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case map[string]any:
		return texts(v["@value"])
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, texts(e)...)
		}
		return out
	}
	return nil
}

func TestCorpusIsAccepted(t *testing.T) {
	r, proc := newReader(t), jsonld.New(jsonld.Limits{})
	for _, tc := range []struct {
		file    string
		records int
		least   int // mean completeness
	}{
		{"firstdata.jsonl.gz", 768, 40},
		{"mobility.jsonl.gz", 3434, 40},
		{"mobility-history.jsonl.gz", 7425, 40},
		{"datagov.jsonl.gz", 402, 40},
	} {
		t.Run(tc.file, func(t *testing.T) {
			f, err := os.Open(vocabtest.Shared(t, "corpus", tc.file))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			z, err := gzip.NewReader(f)
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(z)
			lines.Buffer(nil, 4<<20)
			n, titled, keyworded, boxes, moments, complete, wantTitled, wantKeyworded, wantBoxes, wantMoments := 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
			for i := 0; lines.Scan(); i++ {
				raw := lines.Bytes()
				if strings.Contains(tc.file, "history") {
					var event struct {
						Op  string
						Doc json.RawMessage
					}
					if err := json.Unmarshal(raw, &event); err != nil {
						t.Fatal(err)
					}
					if event.Op != "put" {
						continue
					}
					raw = event.Doc
				}
				if testing.Short() && i%10 != 0 {
					continue
				}
				n++
				d, err := proc.Decode(append([]byte(nil), raw...))
				if err != nil {
					t.Fatalf("record %d: %v", i, err)
				}
				g, err := proc.Expand(context.Background(), d)
				if err != nil {
					t.Fatalf("record %d: %v", i, err)
				}
				rd, err := r.Read(g, testNow)
				if err != nil {
					t.Errorf("record %d refused: %v", i, err)
					continue
				}
				o, want := rd.Offering, readPlain(t, d.Object)
				complete += o.Completeness
				if want.hasTitle {
					wantTitled++
				}
				if len(o.Title) > 0 {
					titled++
				}
				if len(want.titles) == 1 && len([]rune(want.titles[0])) < shownTitle && len(o.Title.Languages()) == 1 {
					got := o.Title[o.Title.Languages()[0]]
					if !strings.EqualFold(strings.Join(strings.Fields(got), " "), strings.Join(strings.Fields(strings.NewReplacer("\u0098", "", "\u00ad", "", "\u200b", "").Replace(want.titles[0])), " ")) {
						t.Errorf("record %d: title %q, want %q", i, got, want.titles[0])
					}
				}
				if len(want.keywords) > 0 {
					wantKeyworded++
				}
				got := 0
				for _, list := range o.Keywords {
					got += len(list)
					for _, w := range list {
						if !want.keywords[w] {
							t.Errorf("record %d: keyword %q is not in the record", i, w)
						}
					}
				}
				if got > 0 {
					keyworded++
				}
				if got != len(want.keywords) {
					t.Errorf("record %d: %d keywords, want %d", i, got, len(want.keywords))
				}
				if want.hasBox {
					wantBoxes++
				}
				if o.Spatial != nil {
					boxes++
				}
				if strings.HasPrefix(want.modified, "20") {
					wantMoments++
				}
				// A few dates are mistyped in the source; they are left out, and said so.
				if strings.HasPrefix(want.modified, "20") && (!o.Modified.IsZero() || find(rd.Warnings, "date.form") != nil) {
					moments++
				}
			}
			if err := lines.Err(); err != nil {
				t.Fatal(err)
			}
			if !testing.Short() && n != tc.records {
				t.Errorf("%d records, want %d", n, tc.records)
			}
			if titled != wantTitled || keyworded != wantKeyworded || boxes != wantBoxes || moments != wantMoments {
				t.Errorf("titles %d of %d, keywords %d of %d, boxes %d of %d, dates %d of %d", titled, wantTitled, keyworded, wantKeyworded, boxes, wantBoxes, moments, wantMoments)
			}
			if n > 0 && complete/n < tc.least {
				t.Errorf("mean completeness %d, want at least %d", complete/n, tc.least)
			}
			t.Logf("%s: %d records, %d titles, %d with keywords, %d boxes, %d dates, mean completeness %d", tc.file, n, titled, keyworded, boxes, moments, complete/max(n, 1))
		})
	}
}
