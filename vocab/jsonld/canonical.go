package jsonld

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Canonical returns the JCS form (RFC 8785) of a JSON value; raw is not
// changed. Beyond what the standard asks it refuses nothing but numbers too
// large for a float64, which some libraries would silently round so that two
// different texts had one canonical form. Errors are vocab.Problems.
func Canonical(raw []byte) ([]byte, error) {
	if size := scan(raw); size.badNumber >= 0 {
		return nil, numberProblem("", raw[size.badNumber:])
	}
	v := jsontext.Value(slices.Clone(raw))
	if err := v.Canonicalize(); err != nil {
		return nil, jsonProblem(raw, err)
	}
	return v, nil
}

// Canonical returns the JCS form (RFC 8785) of the document. Of one that Decode
// returned it is written from Object, which is quicker than reading the text
// again and cannot fail; of any other it is Canonical of Raw.
func (d *Document) Canonical() ([]byte, error) {
	if !d.decoded {
		return Canonical(d.Raw)
	}
	// Seldom longer than it was written: white space and escapes go.
	return appendJCS(make([]byte, 0, len(d.Raw)), d.Object), nil
}

// appendJCS appends the JCS form of a decoded value, whose depth Decode bounds.
func appendJCS(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		if v {
			return append(b, "true"...)
		}
		return append(b, "false"...)
	case string:
		return appendJCSString(b, v)
	case float64:
		// RFC 8785, section 3.2.2.3, is how jsontext writes a float, but for
		// the sign that it leaves on zero.
		if v == 0 {
			return append(b, '0')
		}
		return append(b, jsontext.Float(v).String()...)
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJCS(b, e)
		}
		return append(b, ']')
	case map[string]any:
		var room [32]string
		names := room[:0]
		for name := range v {
			names = append(names, name)
		}
		slices.SortFunc(names, compareUTF16)
		b = append(b, '{')
		for i, name := range names {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendJCSString(b, name), ':')
			b = appendJCS(b, v[name])
		}
		return append(b, '}')
	}
	panic("a value that JSON does not have") // Decode makes none
}

// appendJCSString appends s as JSON text with no escapes but those that are
// needed (RFC 8785, section 3.2.2.2). s must be UTF-8, as all that is decoded.
func appendJCSString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' {
			b, _ = jsontext.AppendQuote(b, s) // only fails for what is not UTF-8
			return b
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// compareUTF16 orders names by their UTF-16 code units (RFC 8785, section
// 3.2.3). UTF-8 has the same order but for U+E000 to U+FFFF, which begin with
// 0xEE and 0xEF: the surrogates of what begins with 0xF0 and above come before.
func compareUTF16(x, y string) int {
	n := min(len(x), len(y))
	for i := range n {
		a, b := x[i], y[i]
		if a == b {
			continue
		}
		if a >= 0xEE && b >= 0xEE && (a >= 0xF0) != (b >= 0xF0) {
			a, b = b, a
		}
		if a < b {
			return -1
		}
		return 1
	}
	return len(x) - len(y)
}
