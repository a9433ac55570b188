package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"lianmu/federation/identity"
	"lianmu/federation/judge"
	"lianmu/federation/ledger"
	"lianmu/federation/registry"
	"lianmu/vocab"
)

// withholding is the act that tells everybody that what was public under a name
// is not any more: those who may not see the entry before it would go on showing
// the older one.
type withholding struct {
	logged
	from uint64
	raw  []byte
}

// withhold signs the act about the entry at from, which j will be, and stages it
// right after that. A repetition at the same place is the same act, so that the
// log finds what it has appended without an answer.
func (in *Intake) withhold(ctx context.Context, b *registry.Batch, j *job, from uint64) (*withholding, error) {
	w := j.hides
	if w == nil || w.from != from {
		now := in.c.Now()
		doc, err := json.Marshal(struct {
			Context   string   `json:"@context"`
			Type      string   `json:"@type"`
			ID        string   `json:"@id"`
			Space     string   `json:"space"`
			By        string   `json:"by"`
			From      uint64   `json:"from"`
			Created   string   `json:"created"`
			Key       string   `json:"key"`
			Offerings []string `json:"offerings"`
		}{
			"https://w3id.org/lianmu/v1", string(vocab.Withholding), uuid.New().URN(), j.fact.Space, in.c.HubDID,
			from, j.fact.Created.UTC().Format(time.RFC3339Nano), j.fact.Key(), []string{j.fact.ID},
		})
		if err != nil {
			return nil, err
		}
		raw, err := identity.Sign(doc, in.c.Signer, identity.SignOptions{Created: in.stamp.Next(now)})
		if err != nil {
			return nil, err
		}
		r, err := in.judge.Read(ctx, ledger.NewLeaf(vocab.KindAct, now, raw), raw)
		if err != nil {
			return nil, fmt.Errorf("the hub cannot read its own act: %w", err)
		}
		w = &withholding{logged{nil, judge.FactOf(r), r.Reading}, from, raw}
		j.hides = w
	}
	d := b.Decide(registry.Entry{Fact: w.fact, Act: w.reading.Act})
	if !d.Logged() {
		return nil, fmt.Errorf("the hub's own act was refused: %w", d.Denied)
	}
	return w, nil
}
