package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func gzipped(t testing.TB, text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestInput reads files of every kind; what is expected is "line id" for a
// document and "line !code" for what is wrong there.
func TestInput(t *testing.T) {
	big := strings.Repeat("x", maxDocument)
	twoLines := `{"@id":"urn:a"}` + "\n" + `{"@id":"urn:b"}` + "\n"
	for _, tc := range []struct {
		name, file, text string
		want             []string
	}{
		{"JSON lines", "a.jsonl", twoLines, []string{"1 urn:a", "2 urn:b"}},
		{"blank lines, no end of line", "a.ndjson", "\n" + twoLines + "\n  \n" + `{"@id":"urn:c"}`, []string{"2 urn:a", "3 urn:b", "6 urn:c"}},
		{"gzipped", "a.jsonl.gz", gzipped(t, twoLines), []string{"1 urn:a", "2 urn:b"}},
		{"a bad line, then a good one", "a.jsonl", `{"@id":` + "\n[1]\n{} {}\n" + twoLines, []string{"1 !json.syntax", "2 !json.object", "3 !json.trailing", "4 urn:a", "5 urn:b"}},
		{"a line beyond the limit", "a.jsonl", `{"@id":"urn:big","x":"` + big + `"}` + "\n" + twoLines, []string{"1 !size.document", "2 urn:a", "3 urn:b"}},
		{"a line of 10 MB", "a.jsonl", strings.Repeat(big, 40) + "\n" + twoLines, []string{"1 !size.document", "2 urn:a", "3 urn:b"}},
		{"a document over many lines", "a.json", "\n{\n \"@id\":\n \"urn:a\"\n}\n", []string{"2 urn:a"}},
		{"an array", "a.json", "[\n" + `{"@id":"urn:a"},` + "\n" + `{"@id":"urn:b"}` + "\n]", []string{"2 urn:a", "3 urn:b"}},
		{"an array with something else", "a.json", `[{"@id":"urn:a"}, 7, [], {"@id":"urn:b"}]`, []string{"1 urn:a", "1 !json.object", "1 !json.object", "1 urn:b"}},
		{"an array with one too long", "a.jsonld", `[{"x":"` + big + `"},` + "\n" + `{"@id":"urn:b"}]`, []string{"1 !size.document", "2 urn:b"}},
		{"several documents", "a.jsonld", "{\n\"@id\":\"urn:a\"}\n{\n\"@id\":\"urn:b\"}", []string{"1 urn:a", "3 urn:b"}},
		{"lines under another name", "a.json", twoLines + "oops\n" + twoLines, []string{"1 urn:a", "2 urn:b", "3 !json.syntax", "4 urn:a", "5 urn:b"}},
		{"an empty file", "a.json", "", []string{"1 !input.empty"}},
		{"an empty list", "a.json", "\n[ ]", []string{"1 !input.empty"}},
		{"broken in the middle", "a.json", "[{\"@id\":\"urn:a\"},\n{\"@id\":}]", []string{"1 urn:a", "2 !json.syntax"}},
		{"cut off", "a.json", "[{\"@id\":\"urn:a\"},\n{\"@id\":", []string{"1 urn:a", "2 !input.unreadable"}},
		{"cut off gzip", "a.jsonl.gz", gzipped(t, twoLines)[:30], []string{"1 urn:a", "2 !input.unreadable"}},
		{"not gzip after all", "a.jsonl.gz", twoLines, []string{"1 urn:a", "2 urn:b"}},
		{"GBK lines", "a.jsonl", "{\"@id\":\"urn:a\",\"t\":\"\xb3\xb1\xce\xbb\"}\n" + twoLines, []string{"1 !input.encoding", "2 urn:a", "3 urn:b"}},
		{"GBK", "a.json", "{\n\"@id\":\"urn:a\",\"t\":\"\xb3\xb1\"}", []string{"1 !input.encoding"}},
		{"GBK with a backslash", "a.json", "{\n\"t\":\"\xb3\x5c\"}", []string{"2 !input.encoding"}},
		{"UTF-16", "a.json", "\xff\xfe{\x00}\x00", []string{"1 !input.encoding"}},
		{"UTF-16 without a mark", "a.jsonl", "{\x00}\x00", []string{"1 !input.encoding"}},
		{"changes", "a.jsonl", `{"seq":1,"op":"put","id":"urn:a","doc":{"@id":"urn:a"}}` + "\n" + `{"op":"delete","id":"urn:b"}`, []string{"1 urn:a", "2 urn:b"}},
		{"changes gone wrong", "a.jsonl", `{"op":"put","id":"urn:a","doc":{"@id":"urn:b"}}` + "\n" + `{"op":"move","id":"urn:a"}` + "\n" + `{"op":"put","id":"urn:a"}` + "\n" + `{"op":"put","id":"urn:a","doc":{"x":"` + big + `"}}`, []string{"1 !change.id", "2 !change.op", "3 !change.doc", "4 !size.document"}},
		{"a change of the largest document", "a.jsonl", `{"op":"put","id":"urn:a","doc":{"@id":"urn:a","x":"` + big[:maxDocument-30] + `"}}`, []string{"1 urn:a"}},
		{"documents that are no changes", "a.jsonl", `{"@id":"urn:a","op":"put","id":"urn:b","doc":{}}` + "\n" + `{"@type":"X","op":"put","id":"urn:b"}`, []string{"1 urn:a", "2 urn:b"}},
		{"byte order mark", "a.jsonl", "\xef\xbb\xbf" + twoLines, []string{"1 urn:a", "2 urn:b"}},
		{"brackets that close nothing", "a.json", "]", []string{"1 !json.syntax"}},
		{"a value without end", "a.json", `{"x":"` + strings.Repeat("y", maxValue+1<<20), []string{"1 !input.unreadable"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), tc.file)
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			in, err := openInput([]string{path}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := read(in); !slices.Equal(got, tc.want) {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
			if in.total != int64(len(tc.text)) {
				t.Errorf("total %d, file has %d bytes", in.total, len(tc.text))
			}
		})
	}
}

func read(in *input) []string {
	var got []string
	for d := range in.documents() {
		what := d.ID
		if d.Problems != nil {
			what = "!" + d.Problems[0].Code
		}
		got = append(got, fmt.Sprintf("%d %s", d.Line, what))
	}
	return got
}

// TestEncodingIsWatchedAcrossReads: a character may be cut by the end of a read
// at any place.
func TestEncodingIsWatchedAcrossReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.String().Draw(t, "text"))
		if rapid.Bool().Draw(t, "spoilt") {
			at := rapid.IntRange(0, len(text)).Draw(t, "at")
			text = slices.Insert(text, at, 0xb3)
		}
		text = append(text, " ."...) // a cut at the very end is for the JSON reader to say
		var w utf8Watch
		for rest := text; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			w.pass(bytes.Clone(rest[:n]))
			rest = rest[n:]
		}
		if w.bad == utf8.Valid(text) {
			t.Fatalf("%q: bad is %v", text, w.bad)
		}
	})
}

func TestInputFoldersAndStandardInput(t *testing.T) {
	dir := t.TempDir()
	for name, id := range map[string]string{
		"b/two.jsonld": "urn:two", "a/one.json": "urn:one", "c.jsonl.gz": "", "notes.txt": "urn:no", ".hidden/x.json": "urn:no", "a/.x.json": "urn:no",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf(`{"@id":%q}`, id)
		if id == "" {
			text = gzipped(t, `{"@id":"urn:three"}`)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in, err := openInput([]string{dir, "-"}, strings.NewReader(gzipped(t, `{"@id":"urn:stdin"}`+"\n"+`{"@id":"urn:more"}`)))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"1 urn:one", "1 urn:two", "1 urn:three", "1 urn:stdin", "2 urn:more"}
	if got := read(in); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if in.total != 0 {
		t.Errorf("with standard input the total is unknown, got %d", in.total)
	}
	for _, missing := range []string{filepath.Join(dir, "no.json"), t.TempDir()} {
		if _, err := openInput([]string{missing}, nil); err == nil {
			t.Errorf("%s: no error", missing)
		}
	}
}

func FuzzInput(f *testing.F) {
	for _, s := range []string{`{"@id":"urn:a","proof":{"verificationMethod":"did:key:z6Mk#z6Mk"}}`, "[{},{}]", "{}\n{}\n", `{"op":"put","id":"urn:a","doc":{"@id":"urn:a"}}`, `{"op":"delete","id":"a"}`, "\xb3\\", "[", "]", "{\"a\":[1,{\"b\":2}]}", "\xef\xbb\xbf{}", "nul"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, lines bool) {
		name := "x.json"
		if lines {
			name = "x.jsonl"
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		in, err := openInput([]string{path}, nil)
		if err != nil {
			t.Fatal(err)
		}
		last := 0
		for d := range in.documents() {
			if (d.Raw == nil) == (d.Problems == nil) {
				t.Fatalf("neither or both of document and problems: %+v", d)
			}
			if d.Line < last {
				t.Fatalf("line %d after line %d", d.Line, last)
			}
			last = d.Line
			if d.Raw != nil && !bytes.HasPrefix(d.Raw, []byte("{")) {
				t.Fatalf("not an object: %q", d.Raw)
			}
		}
	})
}

// TestWithoutProof: dropping the proof leaves every other member as written.
func TestWithoutProof(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfDistinct(rapid.StringMatching(`[a-z@:数据]{1,8}`), rapid.ID).Draw(t, "names")
		at := rapid.IntRange(0, len(names)).Draw(t, "at")
		var with, without []string
		for i, n := range names {
			if n == "proof" {
				return
			}
			if i == at {
				with = append(with, `"proof" : {"x": [1, {"y":2}]}`)
			}
			value := rapid.SampledFrom([]string{`1.0`, `"\u00e9"`, `{"proof":1}`, `[ ]`, `null`}).Draw(t, "value")
			with = append(with, fmt.Sprintf("%q : %s", n, value))
			without = append(without, fmt.Sprintf("%q:%s", n, value))
		}
		got, err := withoutProof([]byte("{ " + strings.Join(with, " , ") + "}"))
		if err != nil {
			t.Fatal(err)
		}
		if want := "{" + strings.Join(without, ",") + "}"; string(got) != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
		if !json.Valid(got) {
			t.Fatalf("not JSON: %s", got)
		}
	})
}

func TestOutline(t *testing.T) {
	for _, tc := range []struct {
		raw  string
		want outline
	}{
		{`{"@id":"urn:a"}`, outline{ID: "urn:a"}},
		{`{"id":"urn:b","@id":"urn:a"}`, outline{ID: "urn:a"}},
		{`{"@id":"urn:a","id":"urn:b"}`, outline{ID: "urn:a"}},
		{`{"id":"urn:\u0062"}`, outline{ID: "urn:b"}},
		{`{"x":{"@id":"urn:c","proof":1}}`, outline{}},
		{`{"proof":{"verificationMethod":"did:key:z1#z1"}}`, outline{Signed: true, Signer: "did:key:z1"}},
		{`{"proof":[{"verificationMethod":"did:key:z1#z1"},{"verificationMethod":"did:key:z2#z2"}]}`, outline{Signed: true, Signer: "did:key:z1"}},
		{`{"proof":null}`, outline{Signed: true}},
		{`{"proof":[]}`, outline{Signed: true}},
		{`{"proof":{"verificationMethod":7}}`, outline{Signed: true}},
	} {
		got, bad := outlineOf([]byte(tc.raw))
		if bad != nil || got != tc.want {
			t.Errorf("%s: got %+v %v, want %+v", tc.raw, got, bad, tc.want)
		}
	}
}
