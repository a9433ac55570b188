package view

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"lianmu/federation/registry"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// A catalogue with n offerings that stand, none of them read yet.
func unread(t *testing.T, n int) (*Catalog, []item) {
	t.Helper()
	reader, err := shape.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	reg := registry.New()
	reg.Open()
	cat := &Catalog{c: Config{
		Registry: reg, Union: registry.NewUnion(reg), Processor: jsonld.New(jsonld.Limits{}), Reader: reader,
		Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	}, own: &feed{Feed: Feed{Registry: reg}, own: true}}
	var items []item
	for i := range n {
		id := fmt.Sprintf("https://space.example/%d", i)
		f := vocab.Fact{Kind: vocab.KindOffering, Space: "did:key:zA", ID: id, Created: time.Now(), Digest: vocab.DigestOf([]byte(id))}
		cat.c.Registry.Apply(registry.Entry{Index: uint64(i), ReceivedAt: time.Now(), Fact: f})
		items = append(items, item{index: uint64(i), receivedAt: time.Now(), fact: f,
			document: fmt.Appendf(nil, `{"@context":"https://w3id.org/lianmu/v1","@id":%q,"@type":"DataProduct","title":"产品"}`, id)})
	}
	return cat, items
}

func TestReadsAll(t *testing.T) {
	cat, items := unread(t, 20)
	if err := cat.read(t.Context(), cat.own, items); err != nil {
		t.Fatal(err)
	}
	if puts, deletes := cat.changes(&edition{}, cat.own, items); len(puts) != 20 || len(deletes) != 0 {
		t.Errorf("%d puts, %d deletes", len(puts), len(deletes))
	}
}

// A hub that stops while it reads must not move the cursor past what it has
// not read.
func TestStoppedReadingIsAnError(t *testing.T) {
	cat, items := unread(t, 20)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := cat.read(ctx, cat.own, items); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped reading gave %v", err)
	}
}

// An entry that was overtaken is not indexed, one that cannot be read does not
// stop the others.
func TestOvertakenAndUnreadable(t *testing.T) {
	cat, items := unread(t, 3)
	newer := items[0].fact
	newer.Created = newer.Created.Add(time.Minute)
	newer.Kind, newer.Digest = vocab.KindWithdrawal, vocab.DigestOf([]byte("newer"))
	cat.c.Registry.Apply(registry.Entry{Index: 3, ReceivedAt: time.Now(), Fact: newer})
	items[1].document = []byte("{")
	if err := cat.read(t.Context(), cat.own, items); err != nil {
		t.Fatal(err)
	}
	puts, deletes := cat.changes(&edition{}, cat.own, items)
	if len(puts) != 1 || puts[0].Position != 2 || len(deletes) != 1 || deletes[0] != vocab.KeyOf("did:key:zA", "https://space.example/0") {
		t.Errorf("puts %+v, deletes %v", puts, deletes)
	}
}
