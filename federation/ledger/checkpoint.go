package ledger

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Bounds of a checkpoint.
const (
	maxCheckpoint = 4 << 10
	maxSeconds    = 253402300799 // 9999-12-31T23:59:59Z
)

// timeLine begins the extension line that says when a checkpoint was signed.
const timeLine = "time "

// Checkpoint is a signed claim of how many entries a log has and what their root
// is: a C2SP tlog-checkpoint (origin, size, root) in a C2SP signed-note. An
// extension line "time <seconds since 1970>" says when it was signed; what
// counts as a claim is size and root alone.
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   tlog.Hash
	Time   time.Time // whole seconds, as the signer's clock was; zero where it does not say
	Note   []byte    // the signed note, at most 4 KB; nil: no checkpoint
}

// ParseCheckpoint verifies a signed note of at most 4 KB under a log's verifier
// key and reads the checkpoint in it. Extension lines that it does not know are
// stepped over, as C2SP tlog-checkpoint asks; signatures by other keys too.
func ParseCheckpoint(raw []byte, vkey string) (Checkpoint, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the log's verifier key: %w", err)
	}
	return parseCheckpoint(raw, v)
}

func parseCheckpoint(raw []byte, v note.Verifier) (Checkpoint, error) {
	if len(raw) > maxCheckpoint {
		return Checkpoint{}, fmt.Errorf("a checkpoint of more than %d bytes", maxCheckpoint)
	}
	n, err := note.Open(raw, note.VerifierList(v))
	if err != nil {
		return Checkpoint{}, err
	}
	return readCheckpoint(n.Text, v.Name(), raw)
}

// readCheckpoint reads the text of a note that was verified.
func readCheckpoint(text, origin string, raw []byte) (c Checkpoint, err error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 || lines[0] != origin {
		return c, fmt.Errorf("the checkpoint is of log %q, not of %q", lines[0], origin)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return c, fmt.Errorf("the checkpoint's size is %q", lines[1])
	}
	c = Checkpoint{Origin: origin, Size: uint64(size), Note: raw}
	if c.Root, err = tlog.ParseHash(lines[2]); err != nil {
		return Checkpoint{}, fmt.Errorf("the checkpoint's root: %w", err)
	}
	for line := range strings.SplitSeq(lines[3], "\n") {
		s, ok := strings.CutPrefix(line, timeLine)
		if !ok {
			continue
		}
		seconds, err := strconv.ParseInt(s, 10, 64)
		if err != nil || seconds < 0 || seconds > maxSeconds || strconv.FormatInt(seconds, 10) != s || !c.Time.IsZero() {
			return Checkpoint{}, fmt.Errorf("the checkpoint's time is %q", line)
		}
		c.Time = time.Unix(seconds, 0).UTC()
	}
	return c, nil
}

// text is what is signed. The signature is made over the caller's root.
func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n%s%d\n", c.Origin, c.Size, c.Root, timeLine, c.Time.Unix())
}

// claims reports whether two checkpoints of one log say the same of its entries.
func (c Checkpoint) claims(o Checkpoint) bool { return c.Size == o.Size && c.Root == o.Root }

// noteKeys makes the note signer and verifier of an Ed25519 seed (C2SP
// signed-note, algorithm 1); the key's name is the origin.
func noteKeys(origin string, seed []byte) (note.Signer, note.Verifier, string, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, nil, "", fmt.Errorf("the log key has %d bytes, not %d", len(seed), ed25519.SeedSize)
	}
	if err := CheckOrigin(origin); err != nil {
		return nil, nil, "", err
	}
	pub := append([]byte{1}, ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)...)
	sum := sha256.Sum256(append([]byte(origin+"\n"), pub...))
	skey := fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", origin, binary.BigEndian.Uint32(sum[:4]),
		base64.StdEncoding.EncodeToString(append([]byte{1}, seed...)))
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, nil, "", fmt.Errorf("origin %q: %w", origin, err)
	}
	vkey, err := note.NewEd25519VerifierKey(origin, pub[1:])
	if err != nil {
		return nil, nil, "", err
	}
	verifier, err := note.NewVerifier(vkey)
	return signer, verifier, vkey, err
}

// mirrorKey reads the verifier key of a log that is mirrored.
func mirrorKey(origin, vkey string) (note.Verifier, error) {
	if err := CheckOrigin(origin); err != nil {
		return nil, err
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("the verifier key of log %s: %w", origin, err)
	}
	if v.Name() != origin {
		return nil, fmt.Errorf("the verifier key is of log %q, not of %q", v.Name(), origin)
	}
	return v, nil
}

// MaxOrigin is the longest name of a log, in bytes.
const MaxOrigin = 200

// CheckOrigin says whether a text can be a log's name, which is that of its note
// key too (C2SP signed-note).
func CheckOrigin(origin string) error {
	if origin == "" || len(origin) > MaxOrigin || strings.ContainsAny(origin, "+ \t\r\n") {
		return fmt.Errorf("origin %.200q: a log's name has 1 to %d bytes, no spaces and no plus sign", origin, MaxOrigin)
	}
	return nil
}

// Checkpoint returns the last published checkpoint, a C2SP signed note: of the
// own log the last one signed, of a mirror the last one accepted. Nil where
// there is none, and where a mirror has lost entries that it covers and has not
// fetched them again yet.
func (l *Log) Checkpoint() []byte { return l.Latest().Note }

// Latest is what Checkpoint returns, parsed; without a Note if there is none.
func (l *Log) Latest() Checkpoint {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.signed
}

func (l *Log) signedSize() uint64 { return l.Latest().Size }

// publish makes c the checkpoint that Checkpoint and Tile answer from.
func (l *Log) publish(c Checkpoint) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lost := l.mirror && c.Size > l.tree.size()
	if c.Note != nil && c.Size >= l.signed.Size && !lost {
		l.signed = c
	}
}

// fits returns nil, or what is wrong where the tree is not the one that c is of.
func (l *Log) fits(c Checkpoint) error {
	if c.Note == nil {
		return nil
	}
	l.mu.RLock()
	size := l.tree.size()
	ok := c.Size <= size && l.tree.root(c.Size) == c.Root
	l.mu.RUnlock()
	switch {
	case ok, l.mirror && c.Size > size: // a mirror fetches what it lost again
		return nil
	case l.mirror:
		return fmt.Errorf("its stream has %d entries, and the first %d are not those that were accepted: purge this mirror, so that it is fetched again", size, c.Size)
	case c.Size > size:
		return fmt.Errorf("its stream has %d entries, but a checkpoint over %d was signed: an older copy was restored; restore a newer one, or start a new epoch", size, c.Size)
	}
	return fmt.Errorf("its stream has %d entries, and the first %d are not those that were signed: restore the right copy, or start a new epoch", size, c.Size)
}

// readKept parses what this log kept earlier, and says what to do where it was
// another log's.
func (l *Log) readKept(raw []byte, where string) (Checkpoint, error) {
	if len(raw) == 0 {
		return Checkpoint{}, nil
	}
	c, err := parseCheckpoint(raw, l.verifier)
	if err == nil {
		return c, nil
	}
	if l.mirror {
		return c, fmt.Errorf("the last checkpoint that was accepted (%s) is not of this log and key: %w; purge this mirror, so that it is fetched again", where, err)
	}
	origin, _, _ := strings.Cut(string(raw), "\n")
	if origin != l.c.Origin {
		return c, fmt.Errorf("the last checkpoint (%s) was signed for origin %q, not %q: use the former name and key, or start a new epoch", where, origin, l.c.Origin)
	}
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		return c, fmt.Errorf("the last checkpoint (%s) was signed with another log key: put the former log.key back, or start a new epoch", where)
	}
	return c, fmt.Errorf("the last checkpoint (%s) cannot be read: %w; restore it, or start a new epoch", where, err)
}
