package jsonld

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lianmu/vocab"
)

// refused checks that err is one problem with the code, at the path, in two
// languages, and that it is small whatever the document was.
func refused(t testing.TB, err error, code, path string) vocab.Problem {
	t.Helper()
	var ps vocab.Problems
	if !errors.As(err, &ps) || len(ps) != 1 {
		t.Fatalf("got %v, want one %s", err, code)
	}
	if ps[0].Code != code || ps[0].Path != path {
		t.Errorf("got %s at %q (%s), want %s at %q", ps[0].Code, ps[0].Path, ps[0].Message["en"], code, path)
	}
	for _, lang := range []string{"zh", "en"} {
		if m := ps[0].Message[lang]; m == "" || len(m) > 1000 || strings.Contains(m, "%!") {
			t.Errorf("%s message is empty, long or malformed: %.200q", lang, m)
		}
	}
	return ps[0]
}

func TestDecodeRefuses(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	tests := []struct {
		name, in, code, path string
	}{
		{"empty", "", "json.syntax", ""},
		{"blank", " \n", "json.syntax", ""},
		{"not JSON", "hello", "json.syntax", ""},
		{"cut off", `{"a": "b`, "json.syntax", "/a"},
		{"unclosed", `{"a": {"b": 1}`, "json.syntax", ""},
		{"single quotes", `{'a': 1}`, "json.syntax", ""},
		{"comment", `{"a": 1 /* one */}`, "json.syntax", ""},
		{"trailing comma", `{"a": [1,]}`, "json.syntax", "/a"},
		{"NaN", `{"a": NaN}`, "json.syntax", "/a"},
		{"byte order mark", "\ufeff{}", "json.syntax", ""},
		{"control character", "{\"a\": \"\x01\"}", "json.syntax", "/a"},
		{"lone surrogate", `{"a": "\ud800"}`, "json.syntax", "/a"},
		{"GBK", "{\"a\": \"\xc4\xe3\"}", "json.utf8", ""},
		{"duplicate name", `{"a": 1, "b": {"c": 1, "c": 2}}`, "json.duplicate_key", "/b/c"},
		{"duplicate by escape", `{"a": 1, "\u0061": 2}`, "json.duplicate_key", "/a"},
		{"trailing bytes", `{"a": 1} x`, "json.trailing", ""},
		{"two documents", `{"a": 1}{"b": 2}`, "json.trailing", ""},
		{"array", `[{"a": 1}]`, "json.not_object", ""},
		{"string", `"a"`, "json.not_object", ""},
		{"null", `null`, "json.not_object", ""},
		{"number too large", `{"a": [1, 1e999]}`, "json.number", "/a/1"},
		{"integer beyond 2^53-1", `{"a": {"b~/c": 9007199254740992}}`, "json.number", "/a/b~0~1c"},
		{"the same, altered", `{"a": [0, {}, -9007199254740993]}`, "json.number", "/a/2"},
		{"the same, with a point", `{"a": 9007199254740993.0}`, "json.number", "/a"},
		{"the same, with an exponent", `{"a": 9007199254740993e0}`, "json.number", "/a"},
		{"1e30", `{"a": 1e30}`, "json.number", "/a"},
		{"next to nothing", `{"a": 1e-400}`, "json.number", "/a"},
		{"18 digits", `{"a": 121.473701234567891}`, "json.number", "/a"},
		{"18 digits and an exponent", `{"a": 1.21473701234567891e-7}`, "json.number", "/a"},
		{"invisible name", `{"a\u202eb": 1e999}`, "json.number", `/a\u202eb`},
		{"depth 33", deep(33), "limit.depth", ""},
		{"depth 10,000", deep(10_000), "limit.depth", ""},
		{"unbalanced depth", strings.Repeat("[", 200_000), "limit.depth", ""},
		{"20,001 values", `{"a":[` + strings.Repeat("1,", 19_998) + `1]}`, "limit.nodes", ""},
		{"100,000 blank nodes", `{"@graph":[` + strings.Repeat("{},", 99_999) + `{}]}`, "limit.bytes", ""},
		{"too long", `{"a":"` + strings.Repeat("x", DefaultBytes) + `"}`, "limit.bytes", ""},
	}
	p := New(Limits{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := p.Decode([]byte(tt.in))
			refused(t, err, tt.code, tt.path)
		})
	}
	t.Run("100,000 blank nodes, more bytes allowed", func(t *testing.T) {
		_, err := New(Limits{Bytes: 1 << 20}).Decode([]byte(`{"@graph":[` + strings.Repeat("{},", 99_999) + `{}]}`))
		refused(t, err, "limit.nodes", "")
	})
}

func TestDecodeAccepts(t *testing.T) {
	p := New(Limits{Depth: 3, Nodes: 6})
	for _, in := range []string{`{}`, " {\"a\" : 9007199254740991}\r\n", `{"a":-9007199254740991,"b":0.10000000000000001,"c":-0.0e7}`, `{"a":"9007199254740993 1e999","b":120.00000000000000000000000,"c":1e-300}`, `{"a":[{"b":1}],"c":[]}`, `{"数据":"\ud83d\ude00 \u4e0a\" , [[[["}`} {
		d, err := p.Decode([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		var want map[string]any
		if err := json.Unmarshal([]byte(in), &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(d.Object, want) || string(d.Raw) != in {
			t.Errorf("%s: got %v", in, d.Object)
		}
	}
}

func TestCanonical(t *testing.T) {
	tests := map[string]string{ // RFC 8785, 3.2.2 to 3.2.4
		`{"b":1, "a":[ 2.0 , 1E30, 4.50, 2e-3, -0 ]}`:           `{"a":[2,1e+30,4.5,0.002,0],"b":1}`,
		`{"\u20ac":1,"\r":2,"1":3,"\ud83d\ude00":4,"\ufb33":5}`: "{\"\\r\":2,\"1\":3,\"€\":1,\"😀\":4,\"\ufb33\":5}",
		`{"literals":[null,true,false]}`:                        `{"literals":[null,true,false]}`,
		`"A\/\u000a\u001f"`:                                     `"A/\n\u001f"`,
	}
	for in, want := range tests {
		raw := []byte(in)
		got, err := Canonical(raw)
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v", in, got, err)
		}
		if string(raw) != in {
			t.Errorf("%s was changed", in)
		}
	}
	for in, code := range map[string]string{`{"a":1e999}`: "json.number", `{"a":` + strings.Repeat("9", 400) + `}`: "json.number",
		`{"a":1,"a":2}`: "json.duplicate_key", `{`: "json.syntax", `1 2`: "json.trailing", "\"\xff\"": "json.syntax"} {
		_, err := Canonical([]byte(in))
		var ps vocab.Problems
		if !errors.As(err, &ps) || ps[0].Code != code {
			t.Errorf("%.20s: got %v, want %s", in, err, code)
		}
	}
}

// A decoded document has the canonical form of its text, and one that nobody
// decoded has no other to offer.
func TestDocumentCanonical(t *testing.T) {
	for in, want := range map[string]string{
		` {"b":1, "a":[ 2.0 , 1e-7, -4.50, 2e-3, -0, 123456789012345 ], "":{}}`:                  `{"":{},"a":[2,1e-7,-4.5,0.002,0,123456789012345],"b":1}`,
		`{"\u20ac":1,"\r":2,"1":3,"\ud83d\ude00":4,"\ufb33":5,"\uee00":6}`:                       "{\"\\r\":2,\"1\":3,\"€\":1,\"😀\":4,\"\uee00\":6,\"\ufb33\":5}",
		`{"ab":1,"a":2,"b":[],"A\/\u000a\u001f\u007f\"\\":[null,true,false,{"x":"上\t\u2028<"}]}`: "{\"A/\\n\\u001f\u007f\\\"\\\\\":[null,true,false,{\"x\":\"上\\t\u2028<\"}],\"a\":2,\"ab\":1,\"b\":[]}",
	} {
		d, err := New(Limits{}).Decode([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		for _, d := range []*Document{d, {Raw: []byte(in)}, {Raw: []byte(in), Object: map[string]any{"other": true}}} {
			if got, err := d.Canonical(); err != nil || string(got) != want {
				t.Errorf("%s: got %s, %v, want %s", in, got, err, want)
			}
		}
	}
	if _, err := (&Document{Raw: []byte(`{"a":1,"a":2}`)}).Canonical(); err == nil {
		t.Error("two members of one name have a canonical form")
	}
}

// anyJSON draws a JSON value with at most depth levels below it.
func anyJSON(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kind := rapid.IntRange(0, 6).Draw(t, "kind")
		if depth == 0 {
			kind %= 5
		}
		switch kind {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2:
			return rapid.Float64Range(-maxSafeInteger, maxSafeInteger).Draw(t, "number")
		case 5:
			return rapid.SliceOfN(anyJSON(depth-1), 0, 4).Draw(t, "array")
		case 6:
			return rapid.MapOfN(rapid.String(), anyJSON(depth-1), 0, 4).Draw(t, "object")
		}
		return rapid.String().Draw(t, "string")
	})
}

// scan counts exactly what is there, and Decode reads what encoding/json reads.
func TestDecodeAgrees(t *testing.T) {
	p := New(Limits{})
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOfN(rapid.String(), anyJSON(3), 0, 5).Draw(t, "object")
		raw, err := json.MarshalIndent(want, "", rapid.SampledFrom([]string{"", " "}).Draw(t, "indent"))
		if err != nil {
			t.Fatal(err)
		}
		d, err := p.Decode(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if again, _ := json.Marshal(d.Object); !bytes.Equal(again, must(json.Marshal(want))) {
			t.Fatalf("%s became %s", raw, again)
		}
		depth, values := measure(want)
		if e := scan(raw); e.depth != depth || e.values != values {
			t.Fatalf("%s: scan says %+v, want depth %d, %d values", raw, e, depth, values)
		}
		one, err1 := Canonical(raw)
		two, err2 := Canonical(one)
		if err1 != nil || err2 != nil || !bytes.Equal(one, two) {
			t.Fatalf("%s: canonical form is not stable: %s, %s", raw, one, two)
		}
		if of, err := d.Canonical(); err != nil || !bytes.Equal(of, one) {
			t.Fatalf("%s: canonical form is %s as text, %s as decoded, %v", raw, one, of, err)
		}
	})
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func measure(v any) (depth, values int) {
	values = 1
	inner := func(e any) {
		d, n := measure(e)
		depth, values = max(depth, d), values+n
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			inner(e)
		}
		return depth + 1, values
	case map[string]any:
		for _, e := range v {
			inner(e)
		}
		return depth + 1, values
	}
	return 0, 1
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,2.5e3,"x\u4e0a",null,true]}`, `{"a":1,"a":2}`, `{"@context":{"@vocab":"x:"},"a":{"b":[]}}`, "\xff", `{"a":1e999}`, `{"a":1}{`, `"\"`} {
		f.Add([]byte(s))
	}
	p := New(Limits{Bytes: 4096, Depth: 8, Nodes: 100})
	f.Fuzz(func(t *testing.T, raw []byte) {
		kept := bytes.Clone(raw)
		d, err := p.Decode(raw)
		if !bytes.Equal(raw, kept) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			var ps vocab.Problems
			if !errors.As(err, &ps) || len(ps) != 1 || len(ps.Error()) > 4096 {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		depth, values := measure(d.Object)
		if depth > 8 || values > 100 {
			t.Fatalf("%q: depth %d, %d values", raw, depth, values)
		}
		if e := scan(raw); e.values != values {
			t.Fatalf("%q: scan counts %d values, there are %d", raw, e.values, values)
		}
		c, err := Canonical(raw)
		if err != nil {
			t.Fatalf("%q decodes but has no canonical form: %v", raw, err)
		}
		again, err := p.Decode(c)
		if err != nil && len(c) <= 4096 || err == nil && fmt.Sprint(again.Object) != fmt.Sprint(d.Object) {
			t.Fatalf("%q: canonical form %q says something else: %v", raw, c, err)
		}
		if of, err := d.Canonical(); err != nil || !bytes.Equal(of, c) {
			t.Fatalf("%q: canonical form is %q as text, %q as decoded, %v", raw, c, of, err)
		}
	})
}
