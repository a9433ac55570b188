package api

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"lianmu/vocab"
)

// FuzzParams: whatever the query string is, what a handler gets is within its
// bounds, and what is refused is told in both languages.
func FuzzParams(f *testing.F) {
	for _, s := range []string{"q=a&limit=5", "filter=a:b&filter=c=d", "limit=-1", "q=%ff", "q=%zz", "x=1", "&&&=", "q=a;b", "q=%00", "limit=1e9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		r := &http.Request{URL: &url.URL{RawQuery: raw}}
		p := readParams(r)
		q, filters, limit := p.text("q", 10), p.texts("filter", 3, 5), p.number("limit", 1, 100, 20)
		err := p.end()
		if utf8.RuneCountInString(q) > 10 || !printable(q) || len(filters) > 3 || limit < 1 || limit > 100 {
			t.Fatalf("%q gave %q %q %d", raw, q, filters, limit)
		}
		for _, s := range filters {
			if utf8.RuneCountInString(s) > 5 || !printable(s) {
				t.Fatalf("%q gave filter %q", raw, s)
			}
		}
		var ps vocab.Problems
		if err != nil && !errors.As(err, &ps) {
			t.Fatalf("%q: %v is no problem", raw, err)
		}
		if len(ps) > 12 {
			t.Fatalf("%q: %d problems", raw, len(ps))
		}
		for _, one := range ps {
			for lang, m := range one.Message {
				if m == "" || len(m) > 400 || !utf8.ValidString(m) || strings.ContainsAny(m, "\r\n\x00") {
					t.Fatalf("%q: message %s %q", raw, lang, m)
				}
			}
		}
	})
}

func TestNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lo := rapid.IntRange(-5, 5).Draw(t, "min")
		hi := rapid.IntRange(lo, 1000).Draw(t, "max")
		s := rapid.OneOf(rapid.StringMatching(`-?[0-9]{1,6}`), rapid.String()).Draw(t, "s")
		p := readParams(&http.Request{URL: &url.URL{RawQuery: url.Values{"n": {s}}.Encode()}})
		n := p.number("n", lo, hi, lo)
		if n < lo || n > hi {
			t.Fatalf("%q became %d", s, n)
		}
	})
}

func TestNearest(t *testing.T) {
	known := []string{"q", "filter", "facets", "sort", "limit", "offset", "cursor"}
	for in, want := range map[string]string{
		"limt": "limit", "Limit": "limit", "filters": "filter", "facet": "facets", "Q": "q", "z": "",
		"ofset": "offset", "page": "", "": "", strings.Repeat("limit", 10): "",
	} {
		if got := nearest(in, known); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{"": "", ",": "", "a": "a", "a,b": "a b", ",a,,b,": "a b"} {
		if got := strings.Join(names([]string{in}), " "); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	if n := len(names([]string{strings.Repeat("a,", 1000)})); n != maxFilters {
		t.Errorf("%d names", n)
	}
}
