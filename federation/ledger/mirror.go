package ledger

import (
	"errors"
	"fmt"
	"slices"

	"lianmu/vocab"
)

// Errors that methods of mirrors return, tested with errors.Is.
var (
	// ErrContradiction: a checkpoint is at odds with what the log holds (see
	// Contradiction).
	ErrContradiction = errors.New("the checkpoint contradicts the log")
	// ErrOlder: a later checkpoint was accepted already; this one is consistent
	// with it and of no use.
	ErrOlder = errors.New("a later checkpoint was accepted already")
	// ErrBehind: the checkpoint covers more entries than the mirror holds.
	ErrBehind = errors.New("the mirror does not hold so many entries yet")
	// ErrShorter: a mirror's stream has fewer entries than before, as where an
	// older copy of the store was restored under it. It is read-only until it is
	// opened again; what is missing is then fetched again.
	ErrShorter = errors.New("an older copy of the mirror was restored")
)

// Contradiction is the error of a checkpoint that does not fit what a log holds.
// It wraps ErrContradiction.
type Contradiction struct {
	Have []byte // the checkpoint that the log goes by, a signed note; nil if it has none
	Got  []byte // the one that contradicts, a signed note
	Why  string
}

// Error says what does not fit.
func (c *Contradiction) Error() string { return ErrContradiction.Error() + ": " + c.Why }

// Unwrap returns ErrContradiction.
func (c *Contradiction) Unwrap() error { return ErrContradiction }

// EntryState says what of an entry a log holds. The zero value is Held.
type EntryState uint8

// States of an entry. All but Held are a mirror's, except that an entry of the
// own log can be Redacted, or Missing where its store was damaged.
const (
	Held     EntryState = iota // its document is here, and it may stand
	Withheld                   // the source has the document, not for this hub
	Redacted                   // a redaction in the log names it, or must, before the next checkpoint ends
	Missing                    // no source gave the document
	Faulty                     // Fault says why it does not stand; its document is kept as evidence, but where it must be nowhere
)

var stateNames = [...]string{Held: "held", Withheld: "withheld", Redacted: "redacted", Missing: "missing", Faulty: "faulty"}

// String returns the state's name.
func (s EntryState) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("EntryState(%d)", uint8(s))
}

// stateNamed reads a state's name.
func stateNamed(name string) (EntryState, error) {
	if i := slices.Index(stateNames[:], name); i >= 0 {
		return EntryState(i), nil
	}
	return Held, fmt.Errorf("an entry's state is one of %v, not %q", stateNames, name)
}

// MaxFault is the longest Mirrored.Fault, in bytes.
const MaxFault = 1 << 10

// Mirrored is an entry of another hub's log as it is put into a mirror.
type Mirrored struct {
	Leaf     Leaf       // authenticated by a checkpoint of that log
	Fact     vocab.Fact // recomputed from Document; of an entry that is not Held only kind and digest count
	Document []byte     // for Held and, where it may be kept, for Faulty; else empty
	State    EntryState
	Fault    string // why it is Faulty or Missing, at most MaxFault bytes
}
