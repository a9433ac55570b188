package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"lianmu/vocab"
)

// redaction is what a redaction's document says to the log: the body of an
// earlier entry is deleted, and this was its leaf record.
type redaction struct {
	at    uint64 // where the redaction itself stands
	index uint64
	leaf  []byte
	text  []byte // its document, where a verifier passes it on
}

// parseRedaction reads the document of the redaction that stands at entry at.
// Only the members index and leaf at the top are read, in the form in which a
// hub writes them; what they mean under a context is for others to check.
func parseRedaction(at uint64, document []byte) (redaction, error) {
	d := redaction{at: at}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(document, &members); err != nil {
		return d, fmt.Errorf("%w: the redaction is not JSON", ErrRedaction)
	}
	var leaf string
	if json.Unmarshal(members["index"], &d.index) != nil || json.Unmarshal(members["leaf"], &leaf) != nil {
		return d, fmt.Errorf("%w: the redaction names no entry by index and leaf record", ErrRedaction)
	}
	var err error
	if d.leaf, err = b64.DecodeString(leaf); err != nil {
		return d, fmt.Errorf("%w: the leaf record in the redaction is not base64url without padding", ErrRedaction)
	}
	target, err := ParseLeaf(d.leaf)
	switch {
	case err != nil:
		return d, fmt.Errorf("%w: in the redaction: %w", ErrRedaction, err)
	case d.index >= at:
		return d, fmt.Errorf("%w: entry %d does not come before the redaction", ErrRedaction, d.index)
	case !Redactable(target.Kind):
		return d, fmt.Errorf("%w: entry %d is of kind %s", ErrRedaction, d.index, target.Kind)
	}
	return d, nil
}

// ParseRedaction reads which earlier entry the redaction that stands at entry at
// names, and the leaf record that it says this entry has; whether the log has it
// so is for the caller to see. ErrRedaction where it can redact nothing.
func ParseRedaction(at uint64, document []byte) (index uint64, leaf []byte, err error) {
	d, err := parseRedaction(at, document)
	return d.index, d.leaf, err
}

// Redactable reports whether entries of this kind can be redacted. What the hub
// itself says cannot: without it nobody could check the others' rights, or that
// a gap is as it should be.
func Redactable(k vocab.EntryKind) bool {
	switch k {
	case vocab.KindOffering, vocab.KindWithdrawal, vocab.KindDeregistration, vocab.KindSpace, vocab.KindParticipant, vocab.KindConsent:
		return true
	}
	return false
}

// Redact deletes the body of entry index from the store, overwriting it there.
// The log must hold a redaction that names the entry with its leaf record, else
// ErrRedaction; fs.ErrNotExist beyond the log's end; ErrUnavailable where the
// store fails. Repeating is harmless. From the moment that the redaction is in
// the log, no reading yields the body, deleted or not; a deletion that was cut
// off is completed by the next Open.
//
// Leaf record, hashes, tiles and checkpoints stay as they are.
func (l *Log) Redact(ctx context.Context, index uint64) error {
	if index >= l.Size() {
		return fmt.Errorf("entry %d: %w", index, fs.ErrNotExist)
	}
	if _, ok := l.RedactedBy(index); !ok {
		return fmt.Errorf("%w: the log holds no redaction of entry %d", ErrRedaction, index)
	}
	return l.erase(ctx, index)
}

// RedactedBy returns the entry whose redaction names entry index, if there is one.
func (l *Log) RedactedBy(index uint64) (at uint64, ok bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	at, ok = l.redacted[index]
	return at, ok
}

// Redactions is how many entries were redacted.
func (l *Log) Redactions() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.redacted)
}

// RedactedDocument reports whether an entry with this document digest was
// redacted: its bytes are to be kept nowhere else either.
func (l *Log) RedactedDocument(d vocab.Digest) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if len(l.redacted) == 0 {
		return false
	}
	for _, i := range l.tree.findAll(d) {
		if _, ok := l.redacted[i]; ok {
			return true
		}
	}
	return false
}

// erase deletes an entry's body, where the log holds one.
func (l *Log) erase(ctx context.Context, index uint64) error {
	state, late, came, _ := l.stateAt(index)
	if came {
		if err := l.eraseMessage(ctx, l.c.Late, late.seq); err != nil || !late.twice {
			return err
		}
	}
	if state.bodiless() {
		return nil
	}
	return l.eraseMessage(ctx, l.c.Stream, index+1)
}

// eraseMessage deletes a message securely: the server overwrites it with random
// bytes (in its block's file, written anew and swapped in).
func (l *Log) eraseMessage(ctx context.Context, stream string, seq uint64) error {
	has, err := l.leaderHas(ctx, stream, seq)
	if err != nil || !has {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, l.c.AckWait)
	defer cancel()
	m, err := l.nc.RequestWithContext(ctx, l.prefix+"STREAM.MSG.DELETE."+stream, fmt.Appendf(nil, `{"seq":%d}`, seq))
	if err != nil {
		return fmt.Errorf("%w (deleting message %d of %s: %w)", ErrUnavailable, seq, stream, err)
	}
	var answer struct {
		Error   *apiError `json:"error"`
		Success bool      `json:"success"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return fmt.Errorf("%w (deleting message %d of %s: %w)", ErrUnavailable, seq, stream, err)
	}
	switch {
	case answer.Error != nil && answer.Error.ErrCode == errNoSequence: // somebody was quicker
	case answer.Error != nil:
		return fmt.Errorf("%w (deleting message %d of %s: %s)", ErrUnavailable, seq, stream, answer.Error.Description)
	case !answer.Success:
		return fmt.Errorf("%w (message %d of %s was not deleted)", ErrUnavailable, seq, stream)
	}
	return nil
}

// checkRedactions reads the redactions among entries that are to be appended,
// and holds them against the log: each names an entry that is there and may be
// redacted, by its leaf record. The caller holds write.
func (l *Log) checkRedactions(entries []Entry) (ds []redaction, err error) {
	size := l.Size()
	for i, e := range entries {
		if e.Fact.Kind != vocab.KindRedaction {
			continue
		}
		d, err := parseRedaction(size+uint64(i), e.Document)
		if err != nil {
			return nil, err
		}
		if d.index >= size {
			return nil, fmt.Errorf("%w: the log has no entry %d yet", ErrRedaction, d.index)
		}
		if known, _ := l.leafAt(d.index); !bytes.Equal(known, d.leaf) {
			return nil, fmt.Errorf("%w: the leaf record is not that of entry %d", ErrRedaction, d.index)
		}
		ds = append(ds, d)
	}
	return ds, nil
}

// note remembers redactions that are in the log. One that does not hold the leaf
// record of what it names redacts nothing.
func (l *Log) note(ds []redaction) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range ds {
		if _, ok := l.redacted[d.index]; !ok && d.at < l.tree.size() && bytes.Equal(l.tree.record(d.index), d.leaf) {
			l.redacted[d.index] = d.at
			l.tree.counts[l.tree.states[d.index]]--
		}
	}
}

// learn reads the redactions among the entries that came from the leaf cache;
// those beyond are met while reading the stream.
func (l *Log) learn(ctx context.Context) error {
	size := l.Size()
	any := false
	for i := uint64(0); i < size && !any; i++ {
		any = vocab.EntryKind(l.tree.record(i)[1]) == vocab.KindRedaction
	}
	if !any {
		return nil
	}
	var ds []redaction
	err := l.scanSubject(ctx, l.c.Stream, l.c.Subjects+vocab.KindRedaction.String(), 1, size, func(m stored) error {
		record, leaf, err := leafOf(m.msg.Header)
		if err != nil || get(m.msg.Header, hdrState) != "" || !bytes.Equal(record, l.tree.record(m.seq-1)) || !leaf.Matches(m.msg.Data) {
			return nil // damaged: whoever reads it is told; or a mirror's, and faulty
		}
		if d, err := parseRedaction(m.seq-1, m.msg.Data); err == nil {
			ds = append(ds, d)
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.note(ds)
	return nil
}

// complete deletes what redactions name and is still there: the process ended
// between the two. A store that cannot do it now does not keep the log from
// opening, as nothing reads those bodies any more.
func (l *Log) complete(ctx context.Context) {
	if l.ReadOnly() != nil {
		return // it is not known that this is the right log
	}
	l.mu.RLock()
	named := slices.Sorted(maps.Keys(l.redacted))
	l.mu.RUnlock()
	for _, i := range named {
		if err := l.erase(ctx, i); err != nil {
			l.log.Error("the body of a redacted entry could not be deleted; the next start tries again", "index", i, "err", err)
			return
		}
	}
}

// verifyRedactions reads every redaction in the tree and returns them by the
// entries that they name. One that is not right is a fault and redacts nothing.
func verifyRedactions(ctx context.Context, src Source, t *tree, r *Report) (map[uint64]redaction, error) {
	redacted := map[uint64]redaction{}
	var at []uint64
	for i := range t.size() {
		if vocab.EntryKind(t.record(i)[1]) == vocab.KindRedaction {
			at = append(at, i)
		}
	}
	for len(at) > 0 {
		part := at[:min(documentsAtOnce, len(at))]
		at = at[len(part):]
		digests := make([]vocab.Digest, len(part))
		for i, p := range part {
			digests[i] = t.leaf(p).SHA256
		}
		documents, err := documentsOf(ctx, src, digests)
		if err != nil {
			return nil, fmt.Errorf("reading redactions from entry %d on: %w", part[0], err)
		}
		for i, p := range part {
			if documents[i] == nil || !t.leaf(p).Matches(documents[i]) {
				continue // a fault that verifyDocuments tells of
			}
			d, err := parseRedaction(p, documents[i])
			if err == nil && !bytes.Equal(t.record(d.index), d.leaf) {
				err = fmt.Errorf("the leaf record in the redaction is not that of entry %d", d.index)
			}
			if err != nil {
				r.fault("entry %d: %v", p, err)
			} else if _, twice := redacted[d.index]; !twice {
				d.text = documents[i]
				redacted[d.index] = d
			}
		}
	}
	return redacted, nil
}

// documentsOf asks a source that may answer anything.
func documentsOf(ctx context.Context, src Source, digests []vocab.Digest) ([][]byte, error) {
	documents, err := src.Documents(ctx, digests)
	if err == nil && len(documents) != len(digests) {
		err = errors.New("the source answered with another number of documents than asked for")
	}
	return documents, err
}
