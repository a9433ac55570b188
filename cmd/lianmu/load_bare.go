package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"lianmu/index"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// bareReport is the same documents through the index alone, in batches of a
// thousand: the most that any hub around it can reach.
type bareReport struct {
	Documents  int     `json:"documents"`
	Seconds    float64 `json:"seconds"`
	PerSecond  float64 `json:"per_second"`
	CPUSeconds float64 `json:"cpu_seconds"`
	// HubRatio is the hub's rate, first submission until everything can be
	// searched, as a share of PerSecond.
	HubRatio float64 `json:"hub_ratio,omitempty"`
}

const (
	bareBatch = 1000
	// maxBare bounds the memory of offerings ready to be indexed. Reading
	// documents between batches would let the index do work off the clock.
	maxBare = 200_000
)

// bareIndex reads documents first, then indexes them against the clock.
func bareIndex(ctx context.Context, docs *spool, f *fleet, now func() time.Time) (*bareReport, error) {
	ready, err := readOfferings(ctx, docs, f, now())
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lianmu-bare-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ix, err := index.Create(filepath.Join(dir, "index"), runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	defer ix.Close()
	cpu, start := ownCPU(), now()
	for i := 0; i < len(ready); i += bareBatch {
		batch := ready[i:min(i+bareBatch, len(ready))]
		if err := ix.Apply(ctx, batch, nil, uint64(i+len(batch))); err != nil {
			return nil, err
		}
	}
	took := now().Sub(start)
	if n := ix.Count(); n != uint64(len(ready)) {
		return nil, fmt.Errorf("the bare index holds %d of %d documents", n, len(ready))
	}
	return &bareReport{
		Documents: len(ready), Seconds: took.Seconds(), PerSecond: perSecond(len(ready), took),
		CPUSeconds: (ownCPU() - cpu).Seconds(),
	}, nil
}

// readOfferings turns documents into what the index takes, as a hub does.
func readOfferings(ctx context.Context, docs *spool, f *fleet, now time.Time) ([]index.Doc, error) {
	processor := jsonld.New(jsonld.Limits{})
	reader, err := shape.NewReader()
	if err != nil {
		return nil, err
	}
	ready := make([]index.Doc, 0, min(docs.count, maxBare))
	for raw, err := range docs.all() {
		if err != nil {
			return nil, err
		}
		if len(ready) == maxBare {
			break
		}
		d, err := processor.Decode(raw)
		if err != nil {
			return nil, err
		}
		graph, err := processor.Expand(ctx, d)
		if err != nil {
			return nil, err
		}
		r, err := reader.Read(graph, now)
		if err != nil {
			return nil, err
		}
		space := f.key(len(ready)).DID()
		ready = append(ready, index.Doc{
			Key: vocab.KeyOf(space, r.ID), Position: uint64(len(ready)), Space: space, Hub: "bare",
			Audience: vocab.AudiencePublic, Digest: vocab.DigestOf(raw), ReceivedAt: now, Offering: r.Offering,
		})
	}
	return ready, nil
}
