package exchange

import (
	"bytes"
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// mostWrong is how many documents a source may have wrong, that no other has
// right, before it is left.
const mostWrong = 16

// item is an entry on its way into the mirror.
type item struct {
	index    uint64
	leaf     ledger.Leaf
	state    ledger.EntryState
	document []byte // of Held and Faulty; of what must not be kept nil
	read     any    // of Held; of Redacted that of its redaction, if known
	fault    error  // of Faulty and Missing
	wrong    bool   // the source gave another document
	kept     bool   // the log's own hub keeps back what nobody may
}

// judge takes the right document of an item.
func (it *item) judge(ctx context.Context, j Judge, document []byte) {
	read, err := j.Read(ctx, it.leaf, document)
	switch {
	case err == nil:
		it.state, it.document, it.read, it.fault = ledger.Held, document, read, nil
	case read == nil:
		it.state, it.document, it.read, it.fault = ledger.Faulty, nil, nil, err
	default:
		it.state, it.document, it.read, it.fault = ledger.Faulty, document, nil, err
	}
}

// bearsRights reports whether entries of a kind say who may sign what follows.
func bearsRights(k vocab.EntryKind) bool {
	switch k {
	case vocab.KindOffering, vocab.KindWithdrawal, vocab.KindDeregistration, vocab.KindParticipant, vocab.KindConsent:
		return false
	}
	return true
}

// MayWithhold reports whether a source is believed that says to keep a document of
// this kind from its reader. What takes something down or back, and what says who may
// sign, only the log's own hub may keep back, and only over a connection, where it
// is sure who speaks: own. A relay, or whoever carries a bundle, could otherwise have
// what was withdrawn shown as it was. What a hub itself says of its log as a whole is
// for everybody, so not even it may. A leaf record tells no more than the kind: the
// withdrawal of what never was public, and the descriptor of a suspended space, are
// kept back by right.
func MayWithhold(k vocab.EntryKind, own bool) bool {
	switch k {
	case vocab.KindOffering, vocab.KindParticipant:
		return true
	case vocab.KindRedaction, vocab.KindEpoch:
		return false
	}
	return own
}

// Why an entry is Missing.
func lost(code, zh, en string) error {
	return vocab.Problems{{Code: code, Message: vocab.Text{"zh": zh, "en": en}}}
}

var (
	errWrong       = lost("entry.wrong", "来源给出的是另一份文档。", "the source gave another document")
	errAbsent      = lost("entry.missing", "来源没有该文档。", "the source does not have the document")
	errUnexplained = lost("entry.unexplained", "来源称该文档已删除，但账本中还没有找到删除记录。", "the source says that it was redacted, and no redaction of it was found in the log yet")
	errKeptBack    = lost("entry.kept_back", "来源称该文档不向本节点提供；此类文档不能由它说了算。", "the source says that the document is not for this hub; of this kind that is not for it to say")
	errRightsLack  = lost("entry.unjudged", "此前有决定签名权限的记录尚未取得，暂时无法判断。", "entries before it that say who may sign are not here, so it cannot be judged yet")
)

// take brings the documents of entries from first on into the mirror.
func (c *copying) take(ctx context.Context, first uint64, leaves []ledger.Leaf) error {
	var running sync.WaitGroup
	defer running.Wait()
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := c.lookAhead(inner, first, leaves); err != nil {
		return err
	}
	items := c.read(inner, &running, c.fetch(inner, &running, first, leaves))
	b := &batch{c: c}
	var failed error
	for part := range items {
		for _, it := range part.items {
			if err := b.add(ctx, it); err != nil {
				return err
			}
		}
		if failed = part.err; failed != nil {
			break
		}
	}
	if err := b.flush(ctx); err != nil {
		return err
	}
	if failed == nil {
		failed = ctx.Err()
	}
	return failed
}

// resolved is a run of items; err is what came after them.
type resolved struct {
	items []*item
	err   error
}

// read reads documents on all cores but one, in the order in which they came.
func (c *copying) read(ctx context.Context, running *sync.WaitGroup, in <-chan fetched) <-chan resolved {
	out := make(chan resolved, 1)
	running.Go(func() {
		defer close(out)
		for {
			var part fetched
			var more bool
			err := c.pace.wait(func() (int, error) {
				part, more = <-in
				return weight(part.documents), nil
			})
			if !more {
				return
			}
			r := c.resolve(ctx, part)
			if r.err == nil {
				r.err = err
			}
			select {
			case out <- r:
			case <-ctx.Done():
				return
			}
			if r.err != nil {
				return
			}
		}
	})
	return out
}

// resolve finds out what there is of each entry.
func (c *copying) resolve(ctx context.Context, part fetched) resolved {
	items := make([]*item, len(part.documents))
	inParallel(len(items), func(i int) {
		items[i] = &item{index: part.first + uint64(i), leaf: part.leaves[i]}
		c.settle(ctx, items[i], part.documents[i])
	})
	if err := ctx.Err(); err != nil {
		return resolved{err: err} // reading may have ended for that, and not for the documents
	}
	var lack []*item
	for _, it := range items {
		if it.state == ledger.Missing {
			lack = append(lack, it)
		}
	}
	if len(lack) > 0 {
		c.askOthers(ctx, lack)
		if err := ctx.Err(); err != nil {
			return resolved{err: err}
		}
	}
	for i, it := range items {
		if it.wrong && it.state == ledger.Missing {
			if c.wrong++; c.wrong > mostWrong {
				return resolved{items[:i], fault("peer.wrong", "对方给出的文档有 %[1]d 份以上与叶记录不符。", "more than %[1]d documents that it gives are not those of their leaf records", mostWrong)}
			}
		}
	}
	return resolved{items, part.err}
}

// settle takes what src gave of one entry.
func (c *copying) settle(ctx context.Context, it *item, d Document) {
	if r, ok := c.redactions[it.index]; ok {
		it.state, it.read = ledger.Redacted, r.read
		return
	}
	switch {
	case d.State == DocumentGiven && it.leaf.Matches(d.Bytes):
		it.judge(ctx, c.f.Judge, d.Bytes)
	case d.State == DocumentGiven:
		it.state, it.fault, it.wrong = ledger.Missing, errWrong, true
	case d.State == DocumentWithheld && MayWithhold(it.leaf.Kind, c.own):
		it.state = ledger.Withheld
	case d.State == DocumentWithheld:
		it.state, it.fault, it.kept = ledger.Missing, errKeptBack, c.own
	case d.State == DocumentRedacted:
		it.state, it.fault = ledger.Missing, errUnexplained
	default:
		it.state, it.fault = ledger.Missing, errAbsent
	}
}

// inParallel calls f for 0..n−1 on all cores but one.
func inParallel(n int, f func(i int)) {
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			f(i)
		}
	}
	var others sync.WaitGroup
	for range min(n, max(1, runtime.GOMAXPROCS(0)-1)) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
}

// redaction is the reading of one that names an entry.
type redaction struct{ read any }

// lookAhead reads the redactions among leaves: they say of which entries before
// them the body is gone. Who comes late to a log then judges it as those did who
// came in time, so only one that stands counts.
func (c *copying) lookAhead(ctx context.Context, first uint64, leaves []ledger.Leaf) error {
	c.redactions = map[uint64]redaction{}
	var at []uint64
	var theirs []ledger.Leaf
	for i, leaf := range leaves {
		if leaf.Kind == vocab.KindRedaction {
			at, theirs = append(at, first+uint64(i)), append(theirs, leaf)
		}
	}
	for len(at) > 0 {
		documents, err := c.askInPace(ctx, c.src, c.pace, theirs)
		if err != nil {
			return err
		}
		for i, d := range documents {
			if d.State != DocumentGiven || !theirs[i].Matches(d.Bytes) {
				continue // it redacts nothing as long as it is not here
			}
			index, record, err := ledger.ParseRedaction(at[i], d.Bytes)
			if err != nil || index < first || !bytes.Equal(leaves[index-first].Bytes(), record) {
				continue
			}
			read, err := c.f.Judge.Read(ctx, theirs[i], d.Bytes)
			if err == nil {
				_, err = c.f.Judge.Stand(at[i], theirs[i], read)
			}
			if _, twice := c.redactions[index]; err == nil && !twice {
				c.redactions[index] = redaction{read}
			}
		}
		at, theirs = at[len(documents):], theirs[len(documents):]
	}
	return ctx.Err() // reading may have ended for that
}

// batch gathers entries for one append to the mirror.
type batch struct {
	c     *copying
	items []*item
	out   []ledger.Mirrored
	bytes int
}

// add judges an entry at its place, and appends what was gathered when that is
// enough.
func (b *batch) add(ctx context.Context, it *item) error {
	fact := vocab.Fact{Kind: it.leaf.Kind, Digest: it.leaf.SHA256}
	if it.state == ledger.Held {
		stood, why := b.c.f.Judge.Stand(it.index, it.leaf, it.read)
		if why != nil {
			var failed error
			if stood, why, failed = b.doubt(ctx, it, why); failed != nil {
				return failed
			}
		}
		if why == nil {
			fact = stood
		} else {
			it.read, it.fault = nil, why
		}
	}
	m := ledger.Mirrored{Leaf: it.leaf, Fact: fact, State: it.state}
	if it.state == ledger.Held || it.state == ledger.Faulty {
		m.Document = it.document
	}
	if it.fault != nil {
		m.Fault = faultText(it.fault)
	}
	if len(b.out) == ledger.MaxBatch || len(b.out) > 0 && b.bytes+len(m.Document) > batchBytes {
		if err := b.flush(ctx); err != nil {
			return err
		}
	}
	b.c.f.Judge.Apply(it.index, it.leaf, fact, it.read) // what follows is judged by it
	b.items, b.out, b.bytes = append(b.items, it), append(b.out, m), b.bytes+len(m.Document)
	return nil
}

// flush appends what was gathered, and then shows it. What has been judged is kept
// even where time is up.
func (b *batch) flush(ctx context.Context) error {
	if len(b.out) == 0 {
		return nil
	}
	c := b.c
	ctx = context.WithoutCancel(ctx)
	if err := c.f.Log.Extend(ctx, b.items[0].index, b.out); err != nil {
		c.f.astray = true
		return err
	}
	for i, it := range b.items {
		m := b.out[i]
		if c.f.Appended != nil {
			read := it.read
			if m.State != ledger.Held {
				read = nil
			}
			c.f.Appended(it.index, it.leaf, m.Fact, read)
		}
		c.progress.count(m)
		if it.kept && m.State == ledger.Missing {
			c.progress.KeptBack++
		}
		if it.leaf.Kind == vocab.KindRedaction && m.State == ledger.Held {
			c.f.erase(ctx, it.index, m.Document)
		}
	}
	b.items, b.out, b.bytes = nil, nil, 0
	return nil
}

// erase deletes the body that the redaction at entry at names. No reading yields it any more;
// a deletion that fails is made good when the mirror is opened again.
func (f *Follower) erase(ctx context.Context, at uint64, redaction []byte) {
	index, _, err := ledger.ParseRedaction(at, redaction)
	if err != nil {
		return
	}
	if _, named := f.Log.RedactedBy(index); !named {
		return // it names another leaf record than the entry's
	}
	if err := f.Log.Redact(ctx, index); err != nil {
		f.logger().Warn("a redacted body could not be deleted; it is tried again at the next start", "origin", f.Log.Origin(), "index", index, "err", err)
	}
}

func (p *Progress) count(m ledger.Mirrored) {
	p.Entries++
	p.Bytes += uint64(len(m.Document))
	switch m.State {
	case ledger.Faulty:
		p.Faulty++
	case ledger.Withheld:
		p.Withheld++
	case ledger.Missing:
		p.Missing++
	case ledger.Redacted:
		p.Redacted++
	}
}
