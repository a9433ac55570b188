package shape

import (
	"context"
	"slices"
	"testing"
	"time"

	"lianmu/vocab"
	"lianmu/vocab/jsonld"
)

var testNow = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func newReader(t testing.TB) *Reader {
	t.Helper()
	r, err := NewReader()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// expand runs a document through the real processor.
func expand(t testing.TB, doc string) *jsonld.Graph {
	t.Helper()
	p := jsonld.New(jsonld.Limits{})
	d, err := p.Decode([]byte(doc))
	if err != nil {
		t.Fatalf("decode: %v\n%s", err, doc)
	}
	g, err := p.Expand(context.Background(), d)
	if err != nil {
		t.Fatalf("expand: %v\n%s", err, doc)
	}
	return g
}

// accept reads a document that must be accepted.
func accept(t testing.TB, doc string) *Reading {
	t.Helper()
	rd, err := newReader(t).Read(expand(t, doc), testNow)
	if err != nil {
		t.Fatalf("refused: %v\n%s", err, doc)
	}
	return rd
}

// refuse reads a document that must be refused, and returns why.
func refuse(t testing.TB, doc string) vocab.Problems {
	t.Helper()
	rd, err := newReader(t).Read(expand(t, doc), testNow)
	if err == nil {
		t.Fatalf("accepted: %+v\n%s", rd.Offering, doc)
	}
	if rd == nil || typed(rd) > 0 {
		t.Fatalf("with an error the reading holds kind and id only: %+v", rd)
	}
	ps := vocab.ProblemsOf(err, "")
	for _, p := range ps {
		if p.Code == "" || p.Message["zh"] == "" || p.Message["en"] == "" {
			t.Errorf("incomplete problem %+v", p)
		}
	}
	return ps
}

// typed counts what a reading holds beside kind, id and warnings.
func typed(rd *Reading) (n int) {
	for _, is := range []bool{rd.Offering != nil, rd.Space != nil, rd.Participant != nil, rd.Consent != nil, rd.Act != nil, rd.Redaction != nil, rd.Log != nil} {
		if is {
			n++
		}
	}
	return n
}

func codes(ps vocab.Problems) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Code)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func find(ps vocab.Problems, code string) *vocab.Problem {
	for i := range ps {
		if ps[i].Code == code {
			return &ps[i]
		}
	}
	return nil
}
