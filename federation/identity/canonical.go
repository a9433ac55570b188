package identity

import (
	"bytes"
	"crypto/sha256"
	"errors"

	"lianmu/vocab"
	"lianmu/vocab/jsonld"
)

// span is a member of a canonical object: the text that goes when the member
// is taken out (its comma included), and its value.
type span struct {
	from, to int
	value    []byte
}

// in returns the object without the member: still canonical, because JCS
// orders members and puts nothing between them.
func (s span) in(obj []byte) (head, tail []byte) { return obj[:s.from], obj[s.to:] }

var errNotObject = errors.New("not a JSON object")

// members finds the named members of a canonical object. In canonical text a
// plain ASCII name is written in one way only, so names compare as bytes.
// Members that are not there have a nil value.
func members(obj []byte, names ...string) ([]span, error) {
	found := make([]span, len(names))
	if len(obj) < 2 || obj[0] != '{' {
		return nil, errNotObject
	}
	for at, first := 1, true; obj[at] != '}'; first = false {
		from := at
		if !first {
			at++ // the comma
		}
		nameEnd := skipValue(obj, at)
		name := obj[at+1 : nameEnd-1]
		end := skipValue(obj, nameEnd+1)
		for i, want := range names {
			if string(name) == want {
				s := span{from: from, to: end, value: obj[nameEnd+1 : end]}
				if first && obj[end] == ',' {
					s.to++ // the first member's comma follows it
				}
				found[i] = s
			}
		}
		at = end
	}
	return found, nil
}

// elements returns the elements of a canonical array, at most limit of them,
// and whether there are more.
func elements(arr []byte, limit int) (list [][]byte, more bool) {
	for at := 1; arr[at] != ']'; {
		if arr[at] == ',' {
			at++
		}
		if len(list) == limit {
			return list, true
		}
		end := skipValue(arr, at)
		list = append(list, arr[at:end])
		at = end
	}
	return list, false
}

// skipValue returns the end of the JSON value at b[at:]. The text must be
// valid and without white space, as JCS leaves it.
func skipValue(b []byte, at int) int {
	switch b[at] {
	case '"':
		return skipString(b, at)
	case '{', '[':
		for depth := 0; ; {
			switch b[at] {
			case '"':
				at = skipString(b, at)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			at++
			if depth == 0 {
				return at
			}
		}
	}
	for at < len(b) && b[at] != ',' && b[at] != '}' && b[at] != ']' {
		at++
	}
	return at
}

// skipString looks at every byte twice at most, however many escapes there are.
func skipString(b []byte, at int) int {
	at++
	for quote := -1; ; {
		if quote < at {
			quote = at + bytes.IndexByte(b[at:], '"')
		}
		escape := bytes.IndexByte(b[at:quote], '\\')
		if escape < 0 {
			return quote + 1
		}
		at += escape + 2 // and what it escapes
	}
}

// hashOf hashes the concatenation of parts.
func hashOf(parts ...[]byte) vocab.Digest {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return vocab.Digest(h.Sum(nil))
}

// Content returns the digest of the JCS form of a JSON object without its
// "proof": what Secured.Content will be. Errors are vocab.Problems with codes
// limit.bytes and json.… (see jsonld.Canonical).
func Content(raw []byte) (vocab.Digest, error) {
	c, err := canonicalObject(&jsonld.Document{Raw: raw})
	if err != nil {
		return vocab.Digest{}, err
	}
	m, err := members(c, "proof")
	if err != nil {
		return vocab.Digest{}, err
	}
	if m[0].value == nil {
		return vocab.DigestOf(c), nil
	}
	head, tail := m[0].in(c)
	return hashOf(head, tail), nil
}

// canonicalObject is the canonical form of what must be an object within
// MaxDocument; its errors are vocab.Problems.
func canonicalObject(d *jsonld.Document) ([]byte, error) {
	if len(d.Raw) > MaxDocument {
		return nil, vocab.Problems{vocab.NewProblem("", "limit.bytes",
			"文档有 %d 字节，超过上限 %d 字节。请把大段内容移到文档之外，只留链接。",
			"the document has %d bytes, more than %d: move large parts out of it and link to them",
			len(d.Raw), MaxDocument)}
	}
	c, err := d.Canonical()
	if err != nil {
		return nil, err
	}
	if len(c) == 0 || c[0] != '{' {
		return nil, vocab.Problems{vocab.NewProblem("", "json.not_object",
			"文档必须是一个 JSON 对象，以 { 开头。", "the document must be one JSON object, beginning with {")}
	}
	return c, nil
}
