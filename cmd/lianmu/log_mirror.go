package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"lianmu/federation/exchange"
	"lianmu/federation/ledger"
	"lianmu/hub"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// verifyMirror verifies a log that a hub mirrors, by what it hands on of it.
func (c *logVerifyCmd) verifyMirror(ctx context.Context, s *streams, tick func(done, total uint64)) (*verification, error) {
	hub, err := enterHub(c.Hub, c.Key, s.Now)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp("", "lianmu-*.bundle")
	if err != nil {
		return nil, err
	}
	defer func() { _ = errors.Join(f.Close(), os.Remove(f.Name())) }()
	size, err := exportLog(ctx, hub, c.Log, 0, f)
	if err != nil {
		return nil, err
	}
	return c.verifyBundle(ctx, s, f, size, tick)
}

// verifyFile verifies a bundle.
func (c *logVerifyCmd) verifyFile(ctx context.Context, s *streams, tick func(done, total uint64)) (*verification, error) {
	f, err := os.Open(c.Bundle)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return c.verifyBundle(ctx, s, f, info.Size(), tick)
}

// verifyBundle checks the card in a bundle, which says whose log it is and which
// key signs it, and then the log.
func (c *logVerifyCmd) verifyBundle(ctx context.Context, s *streams, f *os.File, size int64, tick func(done, total uint64)) (*verification, error) {
	b, err := openBundle(f, size)
	if err != nil {
		return nil, err
	}
	if b.From() > 0 {
		return nil, fmt.Errorf(tr("这个离线包接在前 %s 条之后，单独核验不了。请导入已有前 %[1]s 条的节点，再在那里核验：\n  %[2]s\n或请对方从头导出（不加 --from）",
			"this bundle follows on the first %s entries and cannot be verified alone. Import it at a hub that holds those, and verify there:\n  %[2]s\nor have it exported from the start (without --from)"),
			number(b.From()), elsewhere("log", "verify", "--log", b.origin))
	}
	reader, err := shape.NewReader()
	if err != nil {
		return nil, err
	}
	processor := jsonld.New(jsonld.Limits{})
	card, err := peering.ReadCard(ctx, processor, reader, b.Card(), s.Now)
	if err != nil {
		return nil, err
	}
	if card.Origin != b.origin {
		return nil, fmt.Errorf(tr("离线包的名片是账本 %s 的，签封却是 %s 的", "the bundle's card is of the log %s, its checkpoint of %s"), card.Origin, clean(b.origin))
	}
	vkey := orElse(c.Vkey, card.VerifierKey)
	r := &verification{VerifyReport: &hub.VerifyReport{Views: []view.State{}, Faults: []string{}}, bundle: true}
	fold := hub.NewFold(processor, reader, card.Hub, card.AdmittedUntil())
	r.Log, err = ledger.Verify(ctx, &bundleSource{bundle: b}, vkey, func(rec ledger.Record) error {
		_, err := fold.Add(rec)
		return err
	}, tick)
	if err != nil {
		return nil, err
	}
	r.Folded = fold.State(s.Now())
	return r, nil
}

// bundleSource reads a log from a bundle, for a verifier that believes none of it.
// It implements ledger.Source and ledger.Withholder, for one goroutine.
type bundleSource struct {
	bundle   bundleFile
	withheld map[vocab.Digest]bool // of the last call of Documents
}

// Checkpoint implements ledger.Source.
func (b *bundleSource) Checkpoint(context.Context) ([]byte, error) {
	return b.bundle.Checkpoint(), nil
}

// Withheld implements ledger.Withholder. Nothing shows who wrote the file.
func (b *bundleSource) Withheld(leaf ledger.Leaf) bool {
	return b.withheld[leaf.SHA256] && exchange.MayWithhold(leaf.Kind, false)
}

// Documents implements ledger.Source.
func (b *bundleSource) Documents(ctx context.Context, digests []vocab.Digest) ([][]byte, error) {
	b.withheld = map[vocab.Digest]bool{}
	out := make([][]byte, 0, len(digests))
	for len(out) < len(digests) {
		some, err := b.bundle.Documents(ctx, b.bundle.origin, digests[len(out):])
		if err != nil {
			return nil, err
		}
		if len(some) == 0 {
			return nil, fs.ErrNotExist
		}
		for _, d := range some {
			if d.State == exchange.DocumentWithheld {
				b.withheld[digests[len(out)]] = true
			}
			out = append(out, d.Bytes)
		}
	}
	return out, nil
}

// Tile implements ledger.Source. The entries tiles are made of the leaf records.
func (b *bundleSource) Tile(ctx context.Context, path string) ([]byte, error) {
	t, err := ledger.ParseTile(path)
	if err != nil {
		return nil, err
	}
	if t.L >= 0 {
		return b.bundle.Tile(ctx, b.bundle.origin, path)
	}
	first := uint64(t.N) * tileWidth
	last := first + uint64(t.W)
	if last > b.bundle.size {
		return nil, fs.ErrNotExist
	}
	var out []byte
	for first < last {
		records, err := b.bundle.Leaves(ctx, b.bundle.origin, first, last)
		if err != nil {
			return nil, err
		}
		for ; len(records) >= ledger.LeafSize; first++ {
			out = binary.BigEndian.AppendUint16(out, ledger.LeafSize)
			out, records = append(out, records[:ledger.LeafSize]...), records[ledger.LeafSize:]
		}
	}
	return out, nil
}

var (
	_ ledger.Source     = (*bundleSource)(nil)
	_ ledger.Withholder = (*bundleSource)(nil)
)
