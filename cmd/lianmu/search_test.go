package main

import (
	"strings"
	"testing"
	"time"

	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

// TestSearchSaysWhatItRestsOn: the table names the hub of each hit where there are
// several, marks what may be out of date or in dispute, and lists the same product
// elsewhere; notes say what is left out, in words.
func TestSearchSaysWhatItRestsOn(t *testing.T) {
	found := func() *view.Answer {
		return &view.Answer{
			Total: 2,
			Hits: []view.Hit{
				{Hit: index.Hit{ID: "urn:a", Space: "did:key:zA", Hub: "lianmu/zOwn/1", Title: vocab.Text{"en": "Tides"}, Others: 3}, SpaceName: vocab.Text{"en": "Port"},
					Listings: []view.Listing{{Listing: index.Listing{ID: "urn:c", Space: "did:key:zC", Hub: "lianmu/zFar/1"}, State: view.Ageing}}},
				{Hit: index.Hit{ID: "urn:b", Space: "did:key:zB", Hub: "lianmu/zFar/1", Title: vocab.Text{"en": "Wind", "zh": "风"}}, State: view.Ageing, Conflict: true},
			},
			Coverage: []view.Coverage{
				{Hub: "lianmu/zOwn/1", Name: vocab.Text{"en": "City"}, LogSize: 4, Indexed: 4, State: view.Current},
				{Hub: "lianmu/zFar/1", Name: vocab.Text{"zh": "苏州", "en": "Delta"}, LogSize: 1234, Indexed: 1200, State: view.Ageing, AgeS: 2*24*3600 + 5},
				{Hub: "lianmu/zGone/1", LogSize: 7, Indexed: 7, State: view.Stale, LeftOut: true, AgeS: 9 * 24 * 3600},
				{Hub: "lianmu/zGone/2", Name: vocab.Text{"en": "Old"}, LogSize: 7, Indexed: 7, State: view.Ended, LeftOut: true},
			},
		}
	}
	show := func(c *searchCmd, a *view.Answer) (string, string) {
		var out, notes strings.Builder
		if err := c.show(&streams{Out: &out, Err: &notes, Now: time.Now}, a); err != nil {
			t.Fatal(err)
		}
		return out.String(), notes.String()
	}
	if chinese {
		t.Skip("the words are compared in English")
	}
	out, notes := show(&searchCmd{}, found())
	want := "title           kind  space       hub    updated (UTC)  marks                    @id\n" +
		"Tides                 Port        City                                           urn:a\n" +
		"  same product        did:key:zC  Delta                 ageing                   urn:c\n" +
		"  2 more\n" +
		"Wind                  did:key:zB  Delta                 ageing, code in dispute  urn:b\n" +
		"\n2 found in 0.0 ms\n"
	if out != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
	if want := "note: of 1,234 entries of Delta, 1,200 can be searched (ageing)\n" +
		"note: the 7 entries of lianmu/zGone/1 are left out (stale, silent for 9 d); --stale takes them in\n"; notes != want {
		t.Errorf("got\n%swant\n%s", notes, want)
	}
	// Asked for, they are in it; and one log alone needs no names.
	if _, notes := show(&searchCmd{Stale: true}, found()); !strings.Contains(notes, "note: lianmu/zGone/1: stale, silent for 9 d: what it says may be out of date\n") {
		t.Errorf("got\n%s", notes)
	}
	alone := found()
	alone.Hits, alone.Coverage = alone.Hits[:1], alone.Coverage[:1]
	alone.Hits[0].Listings = nil
	if out, notes := show(&searchCmd{}, alone); strings.Contains(out, "hub") || strings.Contains(out, "marks") || notes != "" {
		t.Errorf("got\n%s%s", out, notes)
	}
}
