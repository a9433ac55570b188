package vocab

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrDigest is returned for a text that is not 64 hex digits.
var ErrDigest = errors.New("a digest is 64 hexadecimal digits")

// Problem is one thing wrong with a document, at a place in it.
type Problem struct {
	// Path is an RFC 6901 JSON pointer into the document as submitted where
	// that place is known ("/distribution/0/dcat:byteSize"), else the nearest
	// member above it; "" is the whole document. Characters of a member's name
	// that cannot be seen are written as escapes, as in Printable.
	Path string `json:"path"`
	// Code is stable, for programs: "json.duplicate_key", "proof.expired" …
	Code string `json:"code"`
	// Message says what is wrong and what to do, in "zh" and "en".
	Message Text `json:"message"`
}

// Problems is an error that lists all that is wrong.
type Problems []Problem

// Error joins the English messages.
func (ps Problems) Error() string {
	parts := make([]string, len(ps))
	for i, p := range ps {
		parts[i] = strings.TrimSpace(p.Path + " " + p.Message["en"])
	}
	return strings.Join(parts, "; ")
}

// NewProblem makes a Problem; args fill both formats. What args bring along
// from a document is made Printable.
func NewProblem(path, code, zh, en string, args ...any) Problem {
	return Problem{Path: Printable(path), Code: code, Message: Text{"zh": Printable(fmt.Sprintf(zh, args...)), "en": Printable(fmt.Sprintf(en, args...))}}
}

// ProblemsOf returns the Problems in err, or wraps any other error as one
// Problem with the given code.
func ProblemsOf(err error, code string) Problems {
	var ps Problems
	if errors.As(err, &ps) {
		return ps
	}
	return Problems{{Code: code, Message: Text{"zh": err.Error(), "en": err.Error()}}}
}

// Status is what became of a submission.
type Status string

// What became of a submission.
const (
	Accepted   Status = "accepted"   // new or changed, in the log
	Renewed    Status = "renewed"    // same content, longer validity, in the log
	Unchanged  Status = "unchanged"  // already there; not logged again
	Superseded Status = "superseded" // an entry ordered later is already there
	Refused    Status = "refused"    // see Problems; kept in quarantine
	Busy       Status = "busy"       // not looked at; repeat after RetryAfterMS
	Waiting    Status = "waiting"    // a descriptor that waits for the operator's decision
)

// Position is a place in a log.
type Position struct {
	Origin string `json:"origin"` // the log's name
	Index  uint64 `json:"index"`  // tree index, from 0
}

// Receipt answers a submission. Repeating a submission is harmless.
type Receipt struct {
	Status       Status    `json:"status"`
	Kind         string    `json:"kind,omitempty"`
	Space        string    `json:"space,omitempty"`
	ID           string    `json:"id,omitempty"`
	Digest       Digest    `json:"digest,omitzero"`  // of the bytes submitted
	Content      Digest    `json:"content,omitzero"` // of the content without its proof
	Log          *Position `json:"log,omitempty"`    // where it, or what stands in its place, is
	ReceivedAt   time.Time `json:"received_at,omitzero"`
	Completeness int       `json:"completeness,omitempty"`
	Warnings     Problems  `json:"warnings,omitempty"`
	Problems     Problems  `json:"problems,omitempty"`
	RetryAfterMS int       `json:"retry_after_ms,omitempty"`
}
