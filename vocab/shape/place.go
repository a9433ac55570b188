package shape

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lianmu/vocab"
)

const maxProblems = 100 // a receipt stays readable, and small

// place is where a value stands in the document: a member of a node, and
// which of its values. Its pointer text is only made when there is something
// to say.
type place struct {
	up   *place
	iri  string // property IRI or keyword; for the root, which has no up, its pointer
	i, n int32  // value i of n; the index is left out where n is 1
}

func (p *place) member(iri string) place { return place{up: p, iri: iri, n: 1} }

func (p *place) value(iri string, i, n int) place {
	return place{up: p, iri: iri, i: int32(i), n: int32(n)}
}

// pointer is the RFC 6901 form, in the writer's own member names where known.
func (rd *reading) pointer(p place) string {
	if p.up == nil {
		return p.iri
	}
	s := rd.pointer(*p.up)
	if p.iri != "" {
		s += "/" + escape(rd.name(p.iri))
	}
	if p.n > 1 {
		s += "/" + strconv.Itoa(int(p.i))
	}
	return s
}

var escaper = strings.NewReplacer("~", "~0", "/", "~1")

// escape makes a member's name a part of a pointer (RFC 6901, section 3) that
// is safe to show.
func escape(s string) string { return vocab.Printable(escaper.Replace(s)) }

// name is what the writer called a property, or else its short form
// ("dcat:byteSize").
func (rd *reading) name(iri string) string {
	if n := rd.called(iri); n != "" {
		return n
	}
	return rd.p.compact(iri)
}

// refuse says what is wrong; the document will not be accepted.
func (rd *reading) refuse(at place, code, zh, en string, args ...any) {
	if len(rd.problems) < maxProblems {
		rd.problems = append(rd.problems, problem(rd.pointer(at), code, zh, en, args))
	}
}

// warn says what is odd or was left out; the document is accepted.
func (rd *reading) warn(at place, code, zh, en string, args ...any) {
	if len(rd.warnings) < maxProblems {
		rd.warnings = append(rd.warnings, problem(rd.pointer(at), code, zh, en, args))
	}
}

// forbid says that no hub may hold this document. It is said once, whatever
// else is wrong.
func (rd *reading) forbid(path string) {
	if !rd.banned {
		rd.banned = true
		rd.always(path, CodeForbidden, "秘密、机密、绝密级数据和核心数据的描述不得进入目录，内容不予保存。请撤回，并按保密规定处理。", "Descriptions of secret (秘密), confidential (机密), top secret (绝密) or core (核心) data must not enter a catalogue; nothing of it is kept. Withdraw it and handle it under the rules of secrecy.")
	}
}

// always refuses like refuse; the first problem of a code is told even where
// there are too many others.
func (rd *reading) always(path, code, zh, en string) {
	if len(rd.problems) < maxProblems || !slices.ContainsFunc(rd.problems, func(p vocab.Problem) bool { return p.Code == code }) {
		rd.problems = append(rd.problems, problem(path, code, zh, en, nil))
	}
}

// problem keeps text without arguments out of the formatter: it may hold "%".
func problem(path, code, zh, en string, args []any) vocab.Problem {
	if len(args) > 0 {
		zh, en = fmt.Sprintf(zh, args...), fmt.Sprintf(en, args...)
	}
	return vocab.Problem{Path: path, Code: code, Message: vocab.Text{"zh": zh, "en": en}}
}

// quote shows a value of the document in a message: short, on one line,
// without anything that could steer a terminal.
func quote(s string) string {
	const most = 60
	n := 0
	for i := range s {
		if n++; n > most {
			s = s[:i] + "…"
			break
		}
	}
	return "“" + strings.ReplaceAll(vocab.Printable(s), "\n", " ") + "”"
}
