package ledger

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"lianmu/vocab"
)

// Source is where a verifier reads a log: the log itself, or a hub over HTTP.
type Source interface {
	// Checkpoint returns the last signed checkpoint, nil if there is none.
	Checkpoint(ctx context.Context) ([]byte, error)
	// Tile returns the tile at a C2SP tlog-tiles path.
	Tile(ctx context.Context, path string) ([]byte, error)
	// Documents returns the bodies with these digests, in order; nil for one
	// that is not there.
	Documents(ctx context.Context, digests []vocab.Digest) ([][]byte, error)
}

// Withholder is a Source that may keep documents from this reader. One that it
// says to keep back counts as withheld; any other that it does not give is
// missing, and a fault.
type Withholder interface {
	// Withheld tells whether the document of an entry, which the last call of
	// Documents did not give, is there, and kept from this reader by right.
	Withheld(Leaf) bool
}

// Source returns the log as a source for Verify.
func (l *Log) Source() Source { return &source{l: l} }

type source struct {
	l       *Log
	nowhere map[vocab.Digest]bool // of what the last call of Documents did not give: not kept here
}

func (s *source) Checkpoint(context.Context) ([]byte, error) { return s.l.Checkpoint(), nil }

func (s *source) Tile(_ context.Context, path string) ([]byte, error) { return s.l.Tile(path) }

// Documents reads neighbours in one go: a verifier asks in the log's order.
func (s *source) Documents(ctx context.Context, digests []vocab.Digest) ([][]byte, error) {
	s.nowhere = map[vocab.Digest]bool{}
	out := make([][]byte, len(digests))
	for i := 0; i < len(digests); {
		at, n, ok := s.l.FindRun(digests[i:])
		if !ok {
			i++
			continue
		}
		bodies := lateReader{l: s.l, to: at + n}
		// Bodies are read as they are: judging them is the verifier's part.
		err := s.l.scan(ctx, s.l.c.Stream, at+1, at+n, func(m stored) error {
			m, err := bodies.inPlace(ctx, m)
			if err != nil {
				return err
			}
			state, _, err := stateOf(m.msg.Header)
			_, leaf := s.l.leafAt(m.seq - 1)
			switch {
			case err == nil && dropped(state, leaf, m.msg.Data):
				s.nowhere[leaf.SHA256] = true
			case err != nil || !state.bodiless():
				if m.msg.Data == nil { // the document that is empty
					m.msg.Data = []byte{}
				}
				out[i+int(m.seq-1-at)] = m.msg.Data
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		i += int(n)
	}
	return out, nil
}

// Withheld implements Withholder: of a mirror, the origin may keep documents from
// this hub, and what must be nowhere is not kept here.
func (s *source) Withheld(leaf Leaf) bool {
	if s.nowhere[leaf.SHA256] {
		return true
	}
	for _, i := range s.l.FindAll(leaf.SHA256) {
		if state, _, _, gone := s.l.stateAt(i); state == Withheld && !gone {
			return true
		}
	}
	return false
}

// Report is what Verify found.
type Report struct {
	Origin   string   `json:"origin"`
	Size     uint64   `json:"size"`
	Root     string   `json:"root"` // base64
	Checked  uint64   `json:"checked"`
	Bytes    uint64   `json:"bytes"`
	Redacted uint64   `json:"redacted"` // documents deleted as a redaction in the log says; only their leaf records are checked
	Withheld uint64   `json:"withheld"` // documents that this reader may not see, or that must be nowhere; only their leaf records are checked
	Problems []string `json:"problems"` // at most 100, each names its entry; empty: clean
	Faults   uint64   `json:"faults"`   // how many there were in all

	// Errors are Problems as errors, one for one: who shows them to people may
	// find vocab.Problems in them, which say it in another language too.
	Errors []error `json:"-"`
}

// Bounds of a verification.
const (
	maxProblems     = 100
	documentsAtOnce = 100
)

func (r *Report) fault(format string, args ...any) {
	r.Faults++
	if len(r.Problems) < maxProblems {
		err := fmt.Errorf(format, args...)
		r.Problems, r.Errors = append(r.Problems, err.Error()), append(r.Errors, err)
	}
}

// Verify reads the whole log from src and checks the checkpoint's signature
// under vkey, the tree and its tiles against it, every document against both
// hashes in its leaf record, that every redaction holds the leaf record of the
// entry it names and that this entry's document is gone, that none is gone
// otherwise, that receivedAt never goes back, and calls check
// (a document's own proof, hints, folding) for each record in order whose
// document is the right one, and for each that was redacted; its Fact has kind
// and digest alone. Check and progress may be nil.
//
// What is wrong with the log is in the Report; an error means that it could not
// be read to the end. A log that never signed anything has size 0 and is clean.
func Verify(ctx context.Context, src Source, vkey string, check func(Record) error, progress func(done, total uint64)) (*Report, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, fmt.Errorf("the log's verifier key: %w", err)
	}
	r := &Report{Origin: v.Name(), Problems: []string{}}
	raw, err := src.Checkpoint(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint: %w", err)
	}
	if len(raw) == 0 {
		return r, nil
	}
	cp, err := parseCheckpoint(raw, v)
	if err != nil {
		r.fault("the checkpoint is not valid under the log's key: %v", err)
		return r, nil
	}
	r.Size, r.Root = cp.Size, base64.StdEncoding.EncodeToString(cp.Root[:])
	t, err := readTree(ctx, src, cp, r)
	if err != nil || t == nil {
		return r, err
	}
	if err := verifyTiles(ctx, src, t, r); err != nil {
		return r, err
	}
	redacted, err := verifyRedactions(ctx, src, t, r)
	if err != nil {
		return r, err
	}
	return r, verifyDocuments(ctx, src, t, redacted, r, check, progress)
}

// readTree builds the tree from the leaf records in the entries tiles. A nil
// tree means that they cannot be read as such; the report says so.
func readTree(ctx context.Context, src Source, cp Checkpoint, r *Report) (*tree, error) {
	t := &tree{}
	for n := uint64(0); n*tileWidth < cp.Size; n++ {
		width := min(tileWidth, cp.Size-n*tileWidth)
		path := TilePath(tlog.Tile{H: tileHeight, L: -1, N: int64(n), W: int(width)})
		b, err := src.Tile(ctx, path)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		for i := range width {
			if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
				r.fault("%s ends at its entry %d of %d", path, i, width)
				return nil, nil
			}
			length := int(binary.BigEndian.Uint16(b))
			record := b[2 : 2+length]
			b = b[2+length:]
			if _, err := ParseLeaf(record); err != nil {
				r.fault("entry %d: %w", n*tileWidth+i, err)
				return nil, nil
			}
			t.add(record, Held)
		}
		if len(b) > 0 {
			r.fault("%s has %d bytes too many", path, len(b))
			return nil, nil
		}
	}
	if root := t.root(cp.Size); root != cp.Root {
		r.fault("the leaf records do not give the root that was signed over %d entries", cp.Size)
	}
	return t, nil
}

// verifyTiles compares the published hash tiles with the tree.
func verifyTiles(ctx context.Context, src Source, t *tree, r *Report) error {
	for level := 0; t.size()>>(tileHeight*level) > 0; level++ {
		have := t.size() >> (tileHeight * level)
		for n := uint64(0); n*tileWidth < have; n++ {
			tile := tlog.Tile{H: tileHeight, L: level, N: int64(n), W: int(min(tileWidth, have-n*tileWidth))}
			got, err := src.Tile(ctx, TilePath(tile))
			if err != nil {
				return fmt.Errorf("reading %s: %w", TilePath(tile), err)
			}
			want, err := tlog.ReadTileData(tile, t)
			if err != nil {
				return err
			}
			if !bytes.Equal(got, want) {
				r.fault("%s does not fit the leaf records", TilePath(tile))
			}
		}
	}
	return nil
}

func verifyDocuments(ctx context.Context, src Source, t *tree, redacted map[uint64]redaction, r *Report, check func(Record) error, progress func(done, total uint64)) error {
	var last time.Time
	withheld := func(Leaf) bool { return false }
	if w, ok := src.(Withholder); ok {
		withheld = w.Withheld
	}
	for from := uint64(0); from < t.size(); from += documentsAtOnce {
		to := min(from+documentsAtOnce, t.size())
		digests := make([]vocab.Digest, 0, documentsAtOnce)
		for i := from; i < to; i++ {
			digests = append(digests, t.leaf(i).SHA256)
		}
		documents, err := documentsOf(ctx, src, digests)
		if err != nil {
			return fmt.Errorf("reading documents from entry %d on: %w", from, err)
		}
		for i := from; i < to; i++ {
			leaf, document := t.leaf(i), documents[i-from]
			if leaf.ReceivedAt.Before(last) {
				r.fault("entry %d: received at %v, before the entry ahead of it", i, leaf.ReceivedAt)
			}
			last = leaf.ReceivedAt
			r.Checked++
			r.Bytes += uint64(len(document))
			by, gone := redacted[i]
			rec := Record{Index: i, ReceivedAt: leaf.ReceivedAt, Leaf: leaf,
				Fact: vocab.Fact{Kind: leaf.Kind, Digest: leaf.SHA256}, Document: document}
			switch {
			case gone && document == nil:
				r.Redacted++
				rec.Redacted, rec.Redaction = true, by.text
			case gone && leaf.Matches(document):
				r.fault("entry %d: its redaction, entry %d, was not completed: the document is still there; it is deleted when the hub starts", i, by.at)
				continue
			case document == nil && withheld(leaf):
				r.Withheld++
				continue
			case document == nil:
				r.fault("entry %d: its document %s is missing", i, leaf.SHA256)
				continue
			case !leaf.Matches(document):
				r.fault("entry %d: its document is not the one in its leaf record", i)
				continue
			}
			if check == nil {
				continue
			}
			if err := check(rec); err != nil {
				r.fault("entry %d: %w", i, err)
			}
		}
		if progress != nil {
			progress(to, t.size())
		}
	}
	return nil
}
