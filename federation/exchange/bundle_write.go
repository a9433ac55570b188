package exchange

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"golang.org/x/mod/sumdb/tlog"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// WriteBundle writes a log as a file that any hub can import: all that the
// checkpoint in note covers from entry from on. Card is the log's, as its hub
// signed it. Of documents that mayRead refuses only the leaf records go along; it
// is asked as ServerConfig.MayRead is. Errors: vocab.Problems bundle.from where
// there is nothing from there on, or those of note, log or w.
func WriteBundle(ctx context.Context, w io.Writer, card, note []byte, log *ledger.Log, from uint64, mayRead func(ledger.Record) bool) error {
	if len(note) == 0 {
		return vocab.Problems{vocab.NewProblem("", "bundle.from", "账本还没有签封，没有可导出的内容。", "the log has no checkpoint yet, so there is nothing to export")}
	}
	cp, err := ledger.ParseCheckpoint(note, log.VerifierKey())
	if err != nil {
		return err
	}
	if from > cp.Size || from == cp.Size && from > 0 {
		return vocab.Problems{vocab.NewProblem("", "bundle.from", "账本签封共 %[1]d 条，没有从第 %[2]d 条起的内容。",
			"the log's checkpoint covers %[1]d entries, so there is nothing from entry %[2]d on", cp.Size, from)}
	}
	head, err := json.Marshal(bundleHead{Origin: log.Origin(), Card: card, Checkpoint: string(note), Size: cp.Size, From: from, Leaves: from &^ 0xff})
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, bundleMagic); err != nil {
		return err
	}
	f := &frameWriter{w: w}
	if err := f.put(frameHead, head); err != nil {
		return err
	}
	if err := f.leaves(log, from&^0xff, cp.Size); err != nil {
		return err
	}
	if err := f.tiles(log, cp.Size); err != nil {
		return err
	}
	if err := f.documents(ctx, log, from, cp.Size, mayRead); err != nil {
		return err
	}
	return f.put(frameEnd, binary.BigEndian.AppendUint32(nil, f.n))
}

func (f *frameWriter) leaves(log *ledger.Log, from, to uint64) error {
	for from < to {
		records, err := log.Leaves(from, min(to, from+MaxLeaves))
		if err != nil {
			return err
		}
		if err := f.put(frameLeaves, append(binary.BigEndian.AppendUint64(nil, from), records...)); err != nil {
			return err
		}
		from += uint64(len(records) / leafSize)
	}
	return nil
}

func (f *frameWriter) tiles(log *ledger.Log, size uint64) error {
	for level := 1; size>>(8*level) > 0; level++ {
		have := size >> (8 * level)
		for n := uint64(0); n*256 < have; n++ {
			t := tlog.Tile{H: 8, L: level, N: int64(n), W: int(min(256, have-n*256))}
			hashes, err := log.Tile(ledger.TilePath(t))
			if err != nil {
				return err
			}
			payload := binary.BigEndian.AppendUint64([]byte{byte(level)}, n)
			if err := f.put(frameTile, append(payload, hashes...)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *frameWriter) documents(ctx context.Context, log *ledger.Log, from, to uint64, mayRead func(ledger.Record) bool) error {
	pack := newPacker()
	first, count := from, uint32(0)
	var raw []byte
	flush := func() error {
		if count == 0 {
			return nil
		}
		payload := binary.BigEndian.AppendUint64(nil, first)
		payload = binary.BigEndian.AppendUint32(payload, count)
		err := f.put(frameDocuments, append(payload, pack.pack(raw)...))
		first, count, raw = first+uint64(count), 0, raw[:0]
		return err
	}
	for d, err := range documents(ctx, log, from, to, mayRead) {
		if err != nil {
			return err
		}
		raw = appendDocument(raw, d)
		if count++; count == MaxDocuments || len(raw) >= bundleRaw {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	if first != to {
		return fmt.Errorf("the log ended at entry %d, before %d", first, to)
	}
	return nil
}

// documents yields what whom mayRead speaks for gets of entries [from, to). One
// that is damaged here is missing.
func documents(ctx context.Context, log *ledger.Log, from, to uint64, mayRead func(ledger.Record) bool) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		for from < to {
			for rec, err := range log.Read(ctx, from, to) {
				d := Document{State: DocumentMissing}
				switch {
				case err == nil:
					d = shown(rec, mayRead)
				case !errors.Is(err, ledger.ErrDamaged):
					yield(Document{}, err)
					return
				}
				from++
				if !yield(d, nil) {
					return
				}
				if err != nil {
					break
				}
			}
		}
	}
}
