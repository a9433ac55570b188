package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"lianmu/vocab"
)

// history reads real changes of a real catalogue as submissions of one space,
// each signed later than the one before it.
func (tr *traffic) history(path string, count int) []*submission {
	tr.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		tr.t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tr.t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	var subs []*submission
	contents := map[string]int{} // the catalogue repeats itself
	for len(subs) < count && lines.Scan() {
		var e struct {
			Op, ID string
			Doc    json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			tr.t.Fatal(err)
		}
		kind, text := vocab.KindOffering, string(e.Doc)
		if e.Op == "delete" {
			kind, text = vocab.KindWithdrawal, removal("Withdrawal", e.ID)
		}
		if _, ok := contents[text]; !ok {
			contents[text] = len(contents)
		}
		subs = append(subs, tr.sign(tr.spaces[0], kind, e.ID, text, contents[text], tr.stamp.Next(time.Now()), 30*day))
	}
	if err := lines.Err(); err != nil {
		tr.t.Fatal(err)
	}
	return subs
}

// TestReplay sends what one hub has logged to a second one in random order, and
// again: both show the same, and repetitions are not logged.
func TestReplay(t *testing.T) {
	path := corpus(t, "mobility-history.jsonl.gz")
	seed := reliabilitySeed(t)
	rnd := rand.New(rand.NewPCG(seed, 4))
	a, b := newNode(t, t.TempDir()), newNode(t, t.TempDir())
	tr := newTraffic(t, seed, 3)
	a.start()
	conn := tr.dial(a.info.NATS)
	for _, s := range tr.history(path, 1500) { // one by one, in their order
		if _, err := tr.deliver(t.Context(), conn, s); err != nil {
			t.Fatal(err)
		}
	}
	tr.publish(a, 1000)
	m := tr.check(a)
	if m.size < 1500 {
		t.Errorf("only %d entries", m.size)
	}

	b.start()
	conn = tr.dial(b.info.NATS)
	size := func() uint64 { return b.level().Coverage[0].LogSize }
	pass := func() (unknown int) {
		order := rnd.Perm(len(m.entries))
		for _, i := range order {
			s := *m.entries[i] // receipts of the first hub stay its own
			s.receipts = nil
			r, err := tr.deliver(t.Context(), conn, &s)
			if err != nil {
				t.Fatal(err)
			}
			switch r.Status {
			case vocab.Accepted, vocab.Renewed, vocab.Unchanged, vocab.Superseded:
			case vocab.Refused:
				// A removal that came first has nothing to remove, and nothing is
				// published after a deregistration; both are for good reasons.
				switch code := r.Problems[0].Code; {
				case code == "offering.unknown" && s.kind != vocab.KindOffering:
					unknown++
				case code == "offering.deregistered":
				default:
					t.Errorf("%s %s was refused: %v", s.kind, s.id, r.Problems)
				}
			default:
				t.Errorf("%s %s was answered %s", s.kind, s.id, r.Status)
			}
		}
		return unknown
	}
	unknown := pass()
	first := size()
	// Removals that came before what they remove are sent again by then.
	if left := pass(); left > 0 {
		t.Errorf("%d removals have nothing to remove in the second pass", left)
	}
	second := size()
	t.Logf("%d entries, %d logged in the first pass with %d early removals, %d in the second", m.size, first, unknown, second-first)
	digest, shown := m.digest()
	for _, v := range b.views() {
		if v.Digest != digest || v.Offerings != shown {
			t.Errorf("view %+v, the first hub shows %d offerings, %s", v, shown, digest)
		}
	}
	for range 2 {
		pass()
		if again := size(); again != second {
			t.Errorf("a repetition was logged: %d entries instead of %d", again, second)
		}
	}
	if strings.Contains(b.log.String(), "panic") {
		t.Error("the hub's log tells of a panic")
	}
	a.verifyClean()
	b.verifyClean()
}
