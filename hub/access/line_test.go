package access

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lianmu/vocab"
)

func add(t testing.TB, l *Line[string], c Claim, items ...string) {
	t.Helper()
	for _, v := range items {
		if !l.Add(c, 1, v) {
			t.Fatalf("%s of %v was not taken", v, c)
		}
	}
}

// order works everything off, each item at its claim's cost.
func order(l *Line[string], claims map[string]Claim, cost map[string]time.Duration) (out string) {
	for {
		v, ok := l.Next()
		if !ok {
			return out
		}
		out += v
		c := claims[v[:1]]
		l.Charge(c, cost[v[:1]])
		l.Done(c, 1)
	}
}

// A stranger's flood of costly work delays another by one turn, and afterwards
// both get the same time.
func TestLineIsFairInCost(t *testing.T) {
	claims := map[string]Claim{"a": {"10.0.0.1/32", "x"}, "b": {"10.0.0.2/32", "y"}, "c": {"10.0.0.1/32", "z"}}
	l := NewLine[string](Bounds{Items: 100, Bytes: 100, Parties: 10})
	add(t, l, claims["a"], "a1", "a2", "a3", "a4")
	add(t, l, claims["b"], "b1", "b2", "b3", "b4", "b5", "b6")
	got := order(l, claims, map[string]time.Duration{"a": 100, "b": 30})
	if want := "a1b1b2b3b4a2b5b6a3a4"; got != want {
		t.Errorf("in cost %s, want %s", got, want)
	}
	add(t, l, claims["a"], "a1", "a2", "a3")
	add(t, l, claims["c"], "c1")
	add(t, l, claims["b"], "b1", "b2", "b3")
	got = order(l, claims, nil)
	if want := "a1b1c1b2a2b3a3"; got != want {
		t.Errorf("by turns %s, want %s: two parties of one client share its turns", got, want)
	}
}

func TestLineBounds(t *testing.T) {
	fill := func(l *Line[string], c Claim) (n int) {
		for l.Add(c, 1, "x") {
			n++
		}
		return n
	}
	l := NewLine[string](Bounds{Items: 1000, Bytes: 1000, Parties: 3})
	var got []int
	for i := range 4 {
		got = append(got, fill(l, Claim{Client: fmt.Sprint(i)}))
	}
	if s := fmt.Sprint(got); s != "[562 249 187 0]" {
		t.Errorf("four clients got %v of 1,000 with room for three parties", got)
	}
	if NewLine[string](Bounds{Items: 9, Bytes: 5, Parties: 9}).Add(Claim{}, 6, "x") {
		t.Error("more bytes than there is room for")
	}
}

// Whoever fills an address's share, by one connection or by many, with small
// things or with large ones, leaves room for others elsewhere; by one also there.
func TestLineKeepsPlaces(t *testing.T) {
	const items, bytes, parties = 4096, 64 << 20, 1000
	for name, fill := range map[string]func(add func(party string, size int) bool){
		"one party": func(add func(string, int) bool) {
			for add("0", 1000) {
			}
		},
		"one party, large documents": func(add func(string, int) bool) {
			for add("0", 256<<10) {
			}
		},
		"many": func(add func(string, int) bool) {
			for i := range 2 * parties {
				for add(fmt.Sprint(i), 1000) {
				}
			}
		},
		"many, one thing each": func(add func(string, int) bool) {
			for i := range 2 * parties {
				add(fmt.Sprint(i), 1000)
			}
		},
		"many, large documents": func(add func(string, int) bool) {
			for i := range 2 * parties {
				for add(fmt.Sprint(i), 256<<10) {
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := NewLine[string](Bounds{Items: items, Bytes: bytes, Parties: parties})
			few := 0
			fill(func(party string, size int) bool {
				ok := l.Add(Claim{"10.0.0.1/32", party}, size, "flood")
				if ok {
					few++
				}
				return ok
			})
			if few < 100 {
				t.Fatalf("only %d were taken: nothing is filled", few)
			}
			for i := range 10 {
				if !l.Add(Claim{fmt.Sprint("10.0.1.", i), "x"}, 256<<10, "good") {
					t.Errorf("no place for another address, the %dth", i)
				}
			}
			if !l.Add(Claim{"10.0.0.1/32", "near"}, 4000, "good") && strings.HasPrefix(name, "one party") {
				t.Error("no place for another at the same address")
			}
			if l.Held(Claim{"10.0.0.1/32", "nobody"}) != 0 || l.Held(Claim{"10.0.1.1", "x"}) != 1 {
				t.Error("held is wrong")
			}
		})
	}
}

// Whatever comes and goes: each item is taken once, each party's in the order
// in which they came, bounds hold, and nothing is left behind.
func TestLineProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type item struct {
			c Claim
			n int
		}
		l := NewLine[item](Bounds{Items: 8, Bytes: 30, Parties: 4})
		waiting, last := 0, map[Claim]int{}
		var working []item
		for n := range rapid.IntRange(0, 60).Draw(rt, "steps") {
			c := Claim{rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "client"), rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "party")}
			switch rapid.IntRange(0, 2).Draw(rt, "what") {
			case 0:
				if l.Add(c, 3, item{c, n + 1}) {
					waiting++
				}
			case 1:
				v, ok := l.Next()
				if ok != (waiting > 0) {
					rt.Fatalf("%d wait, Next says %v", waiting, ok)
				}
				if !ok {
					continue
				}
				waiting--
				if v.n <= last[v.c] {
					rt.Fatalf("%v came after %d", v, last[v.c])
				}
				last[v.c] = v.n
				working = append(working, v)
			case 2:
				if len(working) > 0 {
					l.Charge(working[0].c, time.Duration(rapid.IntRange(0, 50).Draw(rt, "cost")))
					l.Done(working[0].c, 3)
					working = working[1:]
				}
			}
			if l.Len() != waiting+len(working) || l.Len() > 8 || l.root.bytes != 3*l.Len() || l.parties > 4 {
				rt.Fatalf("%d in line, %d bytes, %d parties; %d wait, %d in work", l.Len(), l.root.bytes, l.parties, waiting, len(working))
			}
		}
		for v, ok := l.Next(); ok; v, ok = l.Next() {
			working = append(working, v)
		}
		for _, v := range working {
			l.Done(v.c, 3)
		}
		if l.Len() != 0 || l.root.bytes != 0 || l.parties != 0 || len(l.root.children) != 0 {
			rt.Fatalf("left behind: %+v", l)
		}
	})
}

func TestDesk(t *testing.T) {
	d := NewDesk(1, 3, time.Hour, time.Now)
	leave, err := d.Enter(t.Context(), Claim{Client: "a"})
	if err != nil {
		t.Fatal(err)
	}
	// One who stops waiting gives the place in line free when it is reached.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Enter(ctx, Claim{Client: "a"}); err != context.Canceled {
		t.Errorf("entered, or %v", err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		leave, err := d.Enter(t.Context(), Claim{Client: "b"})
		if err != nil {
			t.Error(err)
			return
		}
		leave()
	})
	for {
		d.mu.Lock()
		n := d.line.Len()
		d.mu.Unlock()
		if n == 3 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	_, err = d.Enter(t.Context(), Claim{Client: "a"})
	if ps := vocab.ProblemsOf(err, "other"); ps[0].Code != "busy" {
		t.Errorf("beyond its share: %v", err)
	}
	leave()
	wg.Wait()
	if d.inside != 0 || d.line.Len() != 0 {
		t.Errorf("%d inside, %d in line at the end", d.inside, d.line.Len())
	}

	d = NewDesk(1, 3, time.Nanosecond, time.Now)
	if leave, err = d.Enter(t.Context(), Claim{}); err != nil {
		t.Fatal(err)
	}
	defer leave()
	if _, err := d.Enter(t.Context(), Claim{Client: "b"}); vocab.ProblemsOf(err, "other")[0].Code != "busy" {
		t.Errorf("a turn that does not come: %v", err)
	}
}
