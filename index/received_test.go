package index

import (
	"testing"
	"time"

	"lianmu/index/query"
	"lianmu/vocab"
)

// A hit tells a date of the description's own from the time of its receipt.
func TestReceived(t *testing.T) {
	day := time.Date(2025, 5, 6, 0, 0, 0, 0, time.UTC)
	ix := newIndex(t,
		doc("urn:x:undated", "泊位"),
		doc("urn:x:issued", "泊位", func(d *Doc) { d.Offering.Issued = day }),
		doc("urn:x:modified", "泊位", func(d *Doc) { d.Offering.Modified = day }))
	res := find(t, ix, Request{Query: query.All{}, Limit: 10})
	if len(res.Hits) != 3 {
		t.Fatalf("%d hits", len(res.Hits))
	}
	for _, h := range res.Hits {
		undated := h.ID == "urn:x:undated"
		if h.Received != undated || h.Modified.Equal(day) == undated || h.Kind != vocab.Dataset {
			t.Errorf("%s: received %v, modified %s", h.ID, h.Received, h.Modified)
		}
	}
}
