package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"lianmu/federation/exchange"
	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// httpSource reads a hub's log over HTTP, for a verifier that believes none
// of it. It implements ledger.Source and ledger.Withholder, for one goroutine.
type httpSource struct {
	hub      *hubClient
	withheld map[vocab.Digest]bool // of the last call of Documents
}

func newSource(hub *hubClient) *httpSource { return &httpSource{hub: hub} }

// Checkpoint implements ledger.Source.
func (s *httpSource) Checkpoint(ctx context.Context) ([]byte, error) {
	var note []byte
	err := s.hub.get(ctx, "/checkpoint", &note)
	var ps vocab.Problems
	if errors.As(err, &ps) && ps[0].Code == "log.not_found" {
		return nil, nil // an empty log has signed nothing
	}
	return note, err
}

// Tile implements ledger.Source.
func (s *httpSource) Tile(ctx context.Context, path string) ([]byte, error) {
	var tile []byte
	err := s.hub.get(ctx, "/"+path, &tile)
	return tile, err
}

// Withheld implements ledger.Withholder.
func (s *httpSource) Withheld(leaf ledger.Leaf) bool {
	return s.withheld[leaf.SHA256] && exchange.MayWithhold(leaf.Kind, true)
}

// Documents implements ledger.Source; nil stands for a document that is not
// there, or, where the hub names it as withheld, not for this reader. A hub may
// answer the first ones only, where all of them would be too much; the rest is
// asked for again.
func (s *httpSource) Documents(ctx context.Context, digests []vocab.Digest) ([][]byte, error) {
	s.withheld = make(map[vocab.Digest]bool)
	docs := make([][]byte, 0, len(digests))
	for len(docs) < len(digests) {
		ask := digests[len(docs):min(len(docs)+100, len(digests))]
		var answer struct {
			Documents []*string      `json:"documents"`
			Withheld  []vocab.Digest `json:"withheld"`
		}
		if err := s.hub.post(ctx, "/api/v1/documents", map[string]any{"digests": ask}, &answer); err != nil {
			return nil, err
		}
		if n := len(answer.Documents); n == 0 || n > len(ask) || len(answer.Withheld) > len(ask) {
			return nil, fmt.Errorf(tr("节点对 %d 份文档答复了 %d 份", "asked for %d documents, the hub answered with %d"), len(ask), n)
		}
		for _, d := range answer.Withheld {
			s.withheld[d] = true
		}
		for _, text := range answer.Documents {
			if text == nil {
				docs = append(docs, nil)
				continue
			}
			doc, err := base64.StdEncoding.DecodeString(*text)
			if err != nil {
				return nil, err
			}
			docs = append(docs, doc)
		}
	}
	return docs, nil
}

// size is the number of entries that the last checkpoint covers (C2SP
// tlog-checkpoint: the second line).
func (s *httpSource) size(ctx context.Context) (uint64, error) {
	note, err := s.Checkpoint(ctx)
	if err != nil || note == nil {
		return 0, err
	}
	_, size, err := readNote(note)
	return size, err
}

// tileWidth is the number of entries in a full tile (C2SP tlog-tiles).
const tileWidth = 256

// entries yields the entries [from, to) of a log of the given size, unverified.
func (s *httpSource) entries(ctx context.Context, from, to, size uint64) iter.Seq2[entryLine, error] {
	return func(yield func(entryLine, error) bool) {
		for n := from / tileWidth; n*tileWidth < to; n++ {
			leaves, err := s.leaves(ctx, n, size)
			if err != nil {
				yield(entryLine{}, err)
				return
			}
			first := max(from, n*tileWidth)
			leaves = leaves[first-n*tileWidth : min(to, n*tileWidth+uint64(len(leaves)))-n*tileWidth]
			for len(leaves) > 0 {
				part := leaves[:min(100, len(leaves))]
				leaves = leaves[len(part):]
				lines, err := s.describe(ctx, first, part)
				if err != nil {
					yield(entryLine{}, err)
					return
				}
				for _, line := range lines {
					if !yield(line, nil) {
						return
					}
				}
				first += uint64(len(part))
			}
		}
	}
}

// leaves reads the n-th tile of leaf records; the last one may be partial.
func (s *httpSource) leaves(ctx context.Context, n, size uint64) ([]ledger.Leaf, error) {
	width := min(tileWidth, size-n*tileWidth)
	path := "tile/entries/" + tileNumber(n)
	if width < tileWidth {
		path += fmt.Sprintf(".p/%d", width)
	}
	data, err := s.Tile(ctx, path)
	if err != nil {
		return nil, err
	}
	var leaves []ledger.Leaf
	for len(data) > 0 {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf(tr("%s 被截断", "%s is cut off"), path)
		}
		length := int(binary.BigEndian.Uint16(data))
		leaf, err := ledger.ParseLeaf(data[2 : 2+length])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		leaves, data = append(leaves, leaf), data[2+length:]
	}
	if uint64(len(leaves)) != width {
		return nil, fmt.Errorf(tr("%s 有 %d 条记录，应为 %d 条", "%s has %d records, not %d"), path, len(leaves), width)
	}
	return leaves, nil
}

// tileNumber writes an index in groups of three digits, all but the last
// prefixed by x (C2SP tlog-tiles).
func tileNumber(n uint64) string {
	s := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		s = fmt.Sprintf("x%03d/%s", n%1000, s)
	}
	return s
}

// describe adds to leaf records what their documents say.
func (s *httpSource) describe(ctx context.Context, first uint64, leaves []ledger.Leaf) ([]entryLine, error) {
	digests := make([]vocab.Digest, len(leaves))
	for i, l := range leaves {
		digests[i] = l.SHA256
	}
	docs, err := s.Documents(ctx, digests)
	if err != nil {
		return nil, err
	}
	lines := make([]entryLine, len(leaves))
	for i, l := range leaves {
		lines[i] = entryLine{Index: first + uint64(i), Kind: l.Kind.String(), ReceivedAt: l.ReceivedAt.UTC(), SHA256: l.SHA256.String()}
		if docs[i] == nil {
			continue
		}
		if vocab.DigestOf(docs[i]) != l.SHA256 {
			return nil, fmt.Errorf(tr("第 %d 条的正文与叶记录不符", "the document of entry %d does not match its leaf record"), first+uint64(i))
		}
		lines[i].Document = bytes.TrimSpace(docs[i])
		if o, bad := outlineOf(docs[i]); bad == nil {
			lines[i].ID, lines[i].Space = o.ID, o.Signer
		}
	}
	return lines, nil
}

var (
	_ ledger.Source     = (*httpSource)(nil)
	_ ledger.Withholder = (*httpSource)(nil)
)
