package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"lianmu/federation/identity"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
)

// Report is what a check of a trail found.
type Report struct {
	Records int          `json:"records"`
	First   uint64       `json:"first,omitempty"` // sequence
	Last    uint64       `json:"last,omitempty"`
	From    time.Time    `json:"from,omitzero"`
	To      time.Time    `json:"to,omitzero"`
	Hash    vocab.Digest `json:"hash,omitzero"` // of the last record
	// Before is how many records there were ahead of the first: gone with their
	// age, or left out of the export. What they said cannot be checked here; the
	// first record's Prev is the hash of the last of them.
	Before uint64 `json:"before"`
	// Unfinished are acts that began and of which no record says what came of
	// them (at most maxUnfinished): under way, or cut by a fault. That this export
	// itself began, as its signed end says, is not one of them.
	Unfinished []uint64  `json:"unfinished,omitempty"`
	SignedBy   string    `json:"signed_by,omitempty"` // DID, where the export's end is signed
	SignedAt   time.Time `json:"signed_at,omitzero"`
}

// Bounds of verifying.
const (
	maxLine       = 64 << 10
	maxUnfinished = 100
)

// Verify checks an export read from r: every record's hash, that each follows
// the one before, and the signature on the last line, where there is one; now
// is the time to judge it by. With the first fault it ends, and the Report tells
// how far it came. Faults are vocab.Problems (audit.broken, audit.unsigned …).
//
// An export cut short at its end is found by its signed last line alone: one
// without (SignedBy "") may have had more records.
func Verify(r io.Reader, now time.Time) (Report, error) {
	c := newChecker()
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 4<<10), maxLine)
	for lines.Scan() {
		line := lines.Bytes()
		switch {
		case c.report.SignedBy != "":
			return c.end(), broken(c.report.Last+1, "在已签名的末行之后还有内容", "it comes after the signed last line")
		case isClosing(line):
			if err := c.close(line, now); err != nil {
				return c.end(), err
			}
		default:
			if err := c.add(0, line); err != nil {
				return c.end(), err
			}
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return c.end(), broken(c.report.Last+1, "这一行太长", "its line is too long")
		}
		return c.end(), err
	}
	return c.end(), nil
}

// Verify checks the whole trail as it is stored, and that it holds the newest
// record that this process has seen.
func (t *Trail) Verify(ctx context.Context) (Report, error) {
	head := t.Head() // before reading: later records are as they come
	c := newChecker()
	first, end, err := t.span(ctx, time.Time{}, time.Time{})
	if err != nil {
		return c.end(), err
	}
	var at vocab.Digest // hash of the record at head
	err = t.each(ctx, first, end, func(sequence uint64, record []byte) error {
		if err := c.add(sequence, record); err != nil {
			return err
		}
		if sequence == head.Sequence {
			at = c.report.Hash
		}
		return nil
	})
	if err != nil {
		return c.end(), err
	}
	switch {
	case end <= head.Sequence:
		return c.end(), broken(head.Sequence, "最新的记录不见了", "the newest records are gone")
	case first <= head.Sequence && at != head.Hash:
		return c.end(), broken(head.Sequence, "与本节点写入的不同", "it is not what this hub wrote")
	}
	return c.end(), nil
}

// exportAct is what the trail calls an export.
const exportAct = "audit.export"

// checker follows a chain of records.
type checker struct {
	report Report
	begun  map[uint64]string // acts without an outcome so far, by sequence
}

func newChecker() *checker { return &checker{begun: map[uint64]string{}} }

// add checks the next record; sequence is where it was found, 0 if unknown.
func (c *checker) add(sequence uint64, line []byte) error {
	place := max(sequence, c.report.Last+1)
	r, err := decode(line)
	if err != nil {
		return broken(place, "读不出内容", "it cannot be read")
	}
	written, err := encode(r)
	if err != nil || !bytes.Equal(written, bytes.TrimSpace(line)) {
		return broken(place, "不是原来的写法", "it is not written as the hub writes it")
	}
	sealed := r
	if err := sealed.seal(); err != nil || sealed.Hash != r.Hash {
		return broken(place, "内容与其摘要不符，被改动过", "it was changed: its hash is another's")
	}
	p := &c.report
	switch {
	case sequence != 0 && r.Sequence != sequence, r.Sequence == 0:
		return broken(place, "不在自己的位置上", "it is not at its own place")
	case p.Records == 0:
		p.First, p.From, p.Before = r.Sequence, r.Time, r.Sequence-1
		if r.Sequence == 1 && !r.Prev.IsZero() {
			return broken(place, "是第一条，却接在另一条之后", "it is the first and yet follows another")
		}
	case r.Sequence != p.Last+1:
		return broken(p.Last+1, "缺失或次序不对", "it is missing or out of order")
	case r.Prev != p.Hash:
		return broken(place, "与前一条接不上", "it does not follow the one before")
	case r.Time.Before(p.To):
		return broken(place, "时间早于前一条", "it is dated before the one ahead of it")
	}
	p.Records++
	p.Last, p.To, p.Hash = r.Sequence, r.Time, r.Hash
	switch {
	case r.Outcome == Begun && len(c.begun) < maxUnfinished:
		c.begun[r.Sequence] = r.Act
	case r.Of != 0:
		delete(c.begun, r.Of)
	}
	return nil
}

// isClosing tells the last line of an export by what records never have.
func isClosing(line []byte) bool {
	var m struct {
		Type string `json:"type"`
	}
	return json.Unmarshal(line, &m) == nil && m.Type == closingType
}

// close checks the last line of an export against what came before it.
func (c *checker) close(line []byte, now time.Time) error {
	line = bytes.Clone(line)
	sec, err := identity.Verify(&jsonld.Document{Raw: line}, now)
	if err != nil {
		return err
	}
	var closing Closing
	if err := json.Unmarshal(line, &closing); err != nil {
		return broken(c.report.Last+1, "末行读不出", "it is a last line that cannot be read")
	}
	p := &c.report
	switch {
	case closing.Hub != sec.Space:
		return vocab.Problems{vocab.NewProblem("", "audit.signer",
			"末行写的是 %s，签名的却是 %s。", "The last line names %s, and %s signed it.", closing.Hub, sec.Space)}
	case closing.Records != p.Records || closing.First != p.First || closing.Last != p.Last || closing.Hash != p.Hash:
		return vocab.Problems{vocab.NewProblem("", "audit.broken",
			"末行说这份导出共 %d 条（第 %d 至 %d 条），实际读到 %d 条（第 %d 至 %d 条）：有记录被删去、换掉，或混入了别的导出。",
			"The last line speaks of %d records (%d to %d), and there are %d (%d to %d): some were taken out, replaced, or come from another export.",
			closing.Records, closing.First, closing.Last, p.Records, p.First, p.Last)}
	}
	p.SignedBy, p.SignedAt = sec.Space, sec.Created
	if c.begun[closing.Begun] == exportAct {
		delete(c.begun, closing.Begun)
	}
	return nil
}

func (c *checker) end() Report {
	for s := range c.begun {
		c.report.Unfinished = append(c.report.Unfinished, s)
	}
	slices.Sort(c.report.Unfinished)
	return c.report
}

// broken is the fault of one record.
func broken(sequence uint64, zh, en string) error {
	return vocab.Problems{vocab.NewProblem("", "audit.broken",
		"第 %[1]d 条审计记录有问题：%[2]s。", "Audit record %[1]d is at fault: %[3]s.", sequence, zh, en)}
}
