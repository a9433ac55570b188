package hub

import (
	"testing"
	"time"
)

func TestOutcasts(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	o, err := newOutcasts(func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	if o.has("a") {
		t.Error("an outcast before anything")
	}
	o.add("a")
	now = now.Add(outcastFor - time.Second)
	if !o.has("a") || o.has("b") {
		t.Error("not the one who was cast out")
	}
	if now = now.Add(time.Second); o.has("a") {
		t.Error("cast out for ever")
	}
}
