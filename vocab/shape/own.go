package shape

import (
	"regexp"
	"time"

	"lianmu/vocab"
)

// What says who may sign, and what a hub decided, is read by fixed properties
// of our own namespace: no profile may make two hubs read it differently.

// uuidForm is a UUID as a URN (RFC 9562, section 4).
var uuidForm = regexp.MustCompile(`^urn:uuid:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

// ours lists the values of members of our own namespace.
func (rd *reading) ours(s subject, names ...string) []value {
	var out []value
	for _, name := range names {
		if v, ok := s.node[ownNamespace+name]; ok {
			out = appendValues(out, s.at, ownNamespace+name, v)
		}
	}
	if !rd.spend(1 + len(out)) {
		return nil
	}
	return out
}

// one is the single value of members of our own namespace; ok is false where
// there is none, or, refused, where there are several.
func (rd *reading) one(s subject, names ...string) (value, bool) {
	values := rd.ours(s, names...)
	if len(values) > 1 {
		rd.refuse(values[1].at, "member.several", "此项只能有一个值。", "This takes one value.")
		return value{}, false
	}
	if len(values) == 0 {
		return value{}, false
	}
	return values[0], true
}

// must is one, where there must be one.
func (rd *reading) must(s subject, zh, en string, names ...string) (value, bool) {
	for _, name := range names {
		if len(asList(s.node[ownNamespace+name])) > 0 {
			return rd.one(s, names...)
		}
	}
	rd.refuse(*s.at, "member.missing", "缺少%[1]s：请补上。", "It lacks %[2]s: add it.", zh, en)
	return value{}, false
}

// oneLine reads a text of one line; a value of another type refuses the
// document.
func (rd *reading) oneLine(v value, lim limit) (string, bool) {
	text, _, ok := v.text()
	if !ok {
		rd.refuse(v.at, "shape.type", "这里应为文本。", "This must be text.")
		return "", false
	}
	return rd.clean(text, v.at, lim)
}

// did reads a DID; "" where it is none.
func (rd *reading) did(v value) string {
	did := textOrID(v)
	if !isDID(did) {
		rd.refuse(v.at, "did.form", "应为 DID，例如 did:key:z6Mk… 。", "This must be a DID, such as did:key:z6Mk….")
		return ""
	}
	return did
}

// whole reads a whole number, from 0 to 2^53-1, beyond which JSON numbers are
// not exact.
func (rd *reading) whole(v value) uint64 {
	x, _ := v.literal()
	n, ok := x.(float64)
	if !ok || n < 0 || n > 1<<53-1 || n != float64(uint64(n)) {
		rd.refuse(v.at, "number.form", "应为不小于零的整数，不加引号。", "This must be a whole number, zero or more, without quotation marks.")
		return 0
	}
	return uint64(n)
}

// digest reads 64 hexadecimal digits.
func (rd *reading) digest(v value) vocab.Digest {
	text, _, _ := v.text()
	d, err := vocab.ParseDigest(text)
	if err != nil {
		rd.refuse(v.at, "digest.form", "应为 64 位十六进制数。", "This must be 64 hexadecimal digits.")
	}
	return d
}

// moment reads a time with its zone (RFC 3339), to the nanosecond.
func (rd *reading) moment(v value) time.Time {
	text, _, _ := v.text()
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		rd.refuse(v.at, "date.form", "应为带时区的时间，例如 2026-11-21T08:00:00Z。", "This must be a time with its zone, such as 2026-11-21T08:00:00Z.")
		return time.Time{}
	}
	return t.UTC()
}
