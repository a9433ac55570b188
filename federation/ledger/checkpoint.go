package ledger

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// swapTries bounds how often a checkpoint is swapped in against others' ones.
const swapTries = 5

// signed is a checkpoint: a C2SP tlog-checkpoint in a signed note.
type signed struct {
	size uint64
	root tlog.Hash
	note []byte // nil: nothing was ever signed
}

// signedBook is what was ever signed last, in both places where it is kept. The
// higher one is what may never be contradicted.
type signedBook struct {
	state    signed // in the bucket
	revision uint64 // of the bucket's entry; 0: there is none
	folder   signed // in Config.Dir
}

func (b *signedBook) highest() signed {
	if b.folder.size > b.state.size {
		return b.folder
	}
	return b.state
}

func (b *signedBook) all() []signed { return []signed{b.state, b.folder} }

// noteKeys makes the note signer and verifier of an Ed25519 seed (C2SP
// signed-note, algorithm 1); the key's name is the origin.
func noteKeys(origin string, seed []byte) (note.Signer, note.Verifier, string, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, nil, "", fmt.Errorf("the log key has %d bytes, not %d", len(seed), ed25519.SeedSize)
	}
	if origin == "" || len(origin) > 200 || strings.ContainsAny(origin, "+ \t\r\n") {
		return nil, nil, "", fmt.Errorf("origin %q: a log's name has no spaces and no plus sign", origin)
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

// parseCheckpoint verifies a signed note under v and reads the checkpoint.
func parseCheckpoint(raw []byte, v note.Verifier) (signed, error) {
	if len(raw) > 64<<10 {
		return signed{}, errors.New("a checkpoint of more than 64 KB")
	}
	n, err := note.Open(raw, note.VerifierList(v))
	if err != nil {
		return signed{}, err
	}
	lines := strings.SplitN(n.Text, "\n", 4)
	if len(lines) < 4 || lines[0] != v.Name() {
		return signed{}, fmt.Errorf("the checkpoint is of log %q, not of %q", lines[0], v.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return signed{}, fmt.Errorf("the checkpoint's size is %q", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return signed{}, fmt.Errorf("the checkpoint's root: %w", err)
	}
	return signed{size: uint64(size), root: root, note: raw}, nil
}

// readSigned parses what this log signed earlier, and says what to do where it
// was another log.
func (l *Log) readSigned(raw []byte, where string) (signed, error) {
	if len(raw) == 0 {
		return signed{}, nil
	}
	s, err := parseCheckpoint(raw, l.verifier)
	if err == nil {
		return s, nil
	}
	origin, _, _ := strings.Cut(string(raw), "\n")
	if origin != l.c.Origin {
		return s, fmt.Errorf("the last checkpoint (%s) was signed for origin %q, not %q: use the former name and key, or start a new epoch", where, origin, l.c.Origin)
	}
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		return s, fmt.Errorf("the last checkpoint (%s) was signed with another log key: put the former log.key back, or start a new epoch", where)
	}
	return s, fmt.Errorf("the last checkpoint (%s) cannot be read: %w; restore it, or start a new epoch", where, err)
}

// loadSigned reads both copies of the last signed checkpoint.
func (l *Log) loadSigned(ctx context.Context) error {
	raw, err := readCheckpointFile(l.c.Dir)
	if err != nil {
		return err
	}
	if l.book.folder, err = l.readSigned(raw, "in the data folder"); err != nil {
		return err
	}
	return l.reloadState(ctx)
}

func (l *Log) reloadState(ctx context.Context) error {
	e, err := l.c.State.Get(ctx, stateKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		l.book.state, l.book.revision = signed{}, 0
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w (the last checkpoint: %w)", ErrUnavailable, err)
	}
	l.book.revision = e.Revision()
	l.book.state, err = l.readSigned(e.Value(), "in the state bucket")
	return err
}

// compare freezes the log if it contradicts s.
func (l *Log) compare(s signed) {
	if s.note == nil {
		return
	}
	l.mu.RLock()
	size := l.tree.size()
	ok := s.size <= size && l.tree.root(s.size) == s.root
	l.mu.RUnlock()
	switch {
	case ok:
	case s.size > size:
		_ = l.freeze("its stream has %d entries, but a checkpoint over %d was signed: an older copy was restored; restore a newer one, or start a new epoch", size, s.size)
	default:
		_ = l.freeze("its stream has %d entries, and the first %d are not those that were signed: restore the right copy, or start a new epoch", size, s.size)
	}
}

// publish makes s the checkpoint that Checkpoint and Tile answer from.
func (l *Log) publish(s signed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.size >= l.signed.size && s.note != nil {
		l.signed = s
	}
}

// Checkpoint returns the last signed checkpoint, a C2SP signed note; nil when
// the log is empty and nothing was ever signed.
func (l *Log) Checkpoint() []byte {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.signed.note
}

func (l *Log) signedSize() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.signed.size
}

// signLoop signs a growing log, at most every CheckpointEvery.
func (l *Log) signLoop(ctx context.Context) {
	for {
		grown := l.Changed()
		if l.ReadOnly() == nil {
			if err := l.sign(ctx); err != nil && ctx.Err() == nil {
				l.log.Warn("the log could not be signed; trying again", "error", err)
			} else if l.behind() == 0 {
				select {
				case <-grown:
				case <-ctx.Done():
					return
				}
			}
		}
		select {
		case <-time.After(l.c.CheckpointEvery):
		case <-ctx.Done():
			return
		}
	}
}

// behind is how many entries the published checkpoint does not cover.
func (l *Log) behind() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.tree.size() - min(l.signed.size, l.tree.size())
}

// sign makes, keeps and publishes a checkpoint over the present size, in this
// order: swapped in against the last one in the bucket, written to the folder,
// then shown. At every step before the last, a crash leaves a checkpoint that
// nobody saw but that still may not be contradicted.
func (l *Log) sign(ctx context.Context) error {
	l.signing.Lock()
	defer l.signing.Unlock()
	if l.behind() == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.c.AckWait)
	defer cancel()
	next, err := l.signedNow()
	for tries := 0; err == nil && next.size > l.book.state.size; tries++ {
		if tries == swapTries {
			return errors.New("others keep signing this log")
		}
		if err = l.swap(ctx, next); err == nil {
			next, err = l.signedNow()
		}
	}
	if err != nil {
		return err
	}
	if l.book.folder.size < l.book.state.size {
		if err := writeCheckpointFile(l.c.Dir, l.book.state.note); err != nil {
			return err
		}
		l.book.folder = l.book.state
	}
	l.publish(l.book.state)
	return nil
}

// signedNow signs the present tree, after proving it an extension of all that
// was signed.
func (l *Log) signedNow() (signed, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.readOnly != nil {
		return signed{}, l.readOnly
	}
	size := l.tree.size()
	s := signed{size: size, root: l.tree.root(size)}
	for _, old := range l.book.all() {
		if old.size == 0 {
			continue
		}
		if old.size > size {
			return signed{}, fmt.Errorf("a checkpoint over %d entries was signed, and %d are known here", old.size, size)
		}
		proof, err := tlog.ProveTree(int64(size), int64(old.size), &l.tree)
		if err == nil {
			err = tlog.CheckTree(proof, int64(size), s.root, int64(old.size), old.root)
		}
		if err != nil {
			return signed{}, fmt.Errorf("the log does not extend what was signed at %d entries: %w", old.size, err)
		}
	}
	text := string(tlog.FormatTree(tlog.Tree{N: int64(size), Hash: s.root}))
	// FormatTree writes the Go checksum database's first line; ours is the origin.
	_, rest, _ := strings.Cut(text, "\n")
	raw, err := note.Sign(&note.Note{Text: l.c.Origin + "\n" + rest}, l.signer)
	s.note = raw
	return s, err
}

// swap puts next in the bucket if nobody signed since; else it learns what was
// signed and holds the log against it.
func (l *Log) swap(ctx context.Context, next signed) error {
	var err error
	var revision uint64
	if l.book.revision == 0 {
		revision, err = l.c.State.Create(ctx, stateKey, next.note)
	} else {
		revision, err = l.c.State.Update(ctx, stateKey, next.note, l.book.revision)
	}
	if err == nil {
		l.book.state, l.book.revision = next, revision
		return nil
	}
	before := l.book.revision
	if rerr := l.reloadState(ctx); rerr != nil {
		return errors.Join(err, rerr)
	}
	if l.book.revision == before {
		return fmt.Errorf("keeping the checkpoint: %w", err)
	}
	// Another process, or an earlier try of ours whose answer was lost.
	if l.book.state.size > l.Size() {
		if err := l.Sync(ctx); err != nil {
			return err
		}
	}
	l.compare(l.book.state)
	return l.ReadOnly()
}
