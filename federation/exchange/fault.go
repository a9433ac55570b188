package exchange

import (
	"encoding/json"
	"fmt"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// SourceFault is the error of a source that is wrong, too slow, or not there:
// another may do better. It holds vocab.Problems with one of the codes
// peer.garbage, peer.silent, peer.slow, peer.refused and peer.wrong; where the
// peer refused, Err holds the vocab.Problems that it gave.
type SourceFault struct {
	Problem vocab.Problem
	Err     error // the cause; may be nil
}

// Error says what was wrong, in English.
func (f *SourceFault) Error() string { return f.Problem.Message.In("en") }

// Unwrap returns the problem and the cause.
func (f *SourceFault) Unwrap() []error {
	if f.Err == nil {
		return []error{vocab.Problems{f.Problem}}
	}
	return []error{vocab.Problems{f.Problem}, f.Err}
}

func fault(code, zh, en string, args ...any) error {
	f := &SourceFault{Problem: vocab.NewProblem("", code, zh, en, args...)}
	for _, a := range args {
		if err, ok := a.(error); ok {
			f.Err = err
		}
	}
	return f
}

func garbage(what string, err error) error {
	return fault("peer.garbage", "对方的答复无法识别（%[1]s：%[2]v）。", "the answer cannot be read (%[1]s: %[2]v)", what, err)
}

// LogFault is the error of a log that breaks its own rules, whoever handed it
// over: a checkpoint signed with its key covers what is wrong. All entries
// before Index have been taken. It holds vocab.Problems with code log.fault.
type LogFault struct {
	Index   uint64
	Problem vocab.Problem
}

// Error says what is wrong with which entry, in English.
func (f *LogFault) Error() string { return f.Problem.Message.In("en") }

// Unwrap returns the problem.
func (f *LogFault) Unwrap() error { return vocab.Problems{f.Problem} }

func logFault(index uint64, zh, en string, args ...any) *LogFault {
	p := vocab.NewProblem("", "log.fault", zh, en, args...)
	at := vocab.NewProblem("", "log.fault", "账本第 %[1]d 条记录：%[2]s", "entry %[1]d of the log: %[3]s", index, p.Message["zh"], p.Message["en"])
	return &LogFault{Index: index, Problem: at}
}

// faultText is a reason as ledger.Mirrored.Fault holds it: a vocab.Problem as
// JSON, at most ledger.MaxFault bytes. FaultOf reads it.
func faultText(err error) string {
	p := vocab.Problem{Code: "entry.faulty"}
	if ps := vocab.ProblemsOf(err, "entry.faulty"); len(ps) > 0 {
		p = ps[0]
	}
	for room := ledger.MaxFault / 3; ; room /= 2 {
		short := vocab.Problem{Path: cut(p.Path, room), Code: cut(p.Code, 100), Message: vocab.Text{}}
		for _, lang := range []string{"zh", "en"} {
			short.Message[lang] = cut(p.Message[lang], room)
		}
		b, err := json.Marshal(short)
		if err != nil || room == 0 {
			return fmt.Sprintf("%.100q", p.Code)
		}
		if len(b) <= ledger.MaxFault {
			return string(b)
		}
	}
}

// FaultOf reads ledger.Record.Fault: why an entry does not stand, in both
// languages.
func FaultOf(text string) vocab.Problem {
	var p vocab.Problem
	if err := json.Unmarshal([]byte(text), &p); err == nil && p.Code != "" && len(p.Message) > 0 {
		return p
	}
	return vocab.NewProblem("", "entry.faulty", "%s", "%s", text)
}

// cut shortens a text to at most n bytes, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}
