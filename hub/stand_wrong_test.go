package hub_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lianmu/federation/identity/identitytest"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// Wrong signatures, ten thousand a second and as fast as one connection sends
// them: none is taken, and what other spaces publish meanwhile all is, from the
// same address and from another. How long that takes, in turns with and without
// the flood, is told and not judged: with LIANMU_FLOOD_TURNS=32 they are enough for
// a 99th percentile.
func TestStandWrongSignatures(t *testing.T) {
	if testing.Short() {
		t.Skip("floods a hub")
	}
	turns := 4
	if n, err := strconv.Atoi(os.Getenv("LIANMU_FLOOD_TURNS")); err == nil {
		turns = n
	}
	for _, f := range []struct {
		name string
		rate int
	}{{"10,000 a second", 10_000}, {"as fast as they go", 0}} {
		t.Run(f.name, func(t *testing.T) { wrongSignatures(t, f.rate, turns) })
	}
}

func wrongSignatures(t *testing.T, rate, turns int) {
	const good = 20 // documents of each publisher in each turn
	s := closed(t)
	spaces := 4 // who flood, one after another: each is cut off before long
	if rate == 0 {
		spaces = 8
	}
	publishers := map[string]*running{"127.0.0.1, the flood's address": s.space("同一地址的空间"), "127.0.0.2": s.space("别处的空间")}
	before := s.hub.Info().LogSize
	var quiet, beside side
	var flood outcome
	for turn := range turns {
		if turn%2 == 0 {
			quiet.publish(t, publishers, turn, good)
			continue
		}
		e := s.mallories(byte(turn), spaces)
		e.Rate = rate
		before += uint64(2 * spaces) // descriptors and admissions
		end := s.errand(e)
		beside.publish(t, publishers, turn, good)
		got := end()
		// Who sends as fast as it goes may be cut off before it has read an answer.
		if rate > 0 && got.Got[vocab.Refused] == 0 || got.Got[""] > 0 || got.Got[vocab.Refused]+got.Got[vocab.Busy] > got.Sent {
			t.Errorf("of %d wrong signatures: %v", got.Sent, got.Got)
		}
		flood.add(got)
	}
	if after, want := s.hub.Info().LogSize, before+uint64(turns*2*good); after != want {
		t.Errorf("the log has %d entries, want %d", after, want)
	}
	t.Logf("%d wrong signatures by %d spaces in %v, %d turns: %v", flood.Sent, flood.Senders, flood.For, turns/2, flood.Got)
	t.Logf("hub's CPU %v in %v, without the flood %v in %v; the flood (nice 19) and each publisher have a process of their own; %d cores are shared by all",
		beside.cpu, beside.over, quiet.cpu, quiet.over, runtime.NumCPU())
	for where, all := range beside.did {
		was := quiet.did[where].Took
		slices.Sort(was)
		slices.Sort(all.Took)
		at := func(d []time.Duration, share float64) time.Duration {
			return d[int(share*float64(len(d)-1))].Round(100 * time.Microsecond)
		}
		t.Logf("%d documents from %s: %d times busy, %d unheard", len(all.Took), where, all.Got[vocab.Busy], all.Unheard)
		for _, p := range []float64{0.5, 0.95, 0.99, 1} {
			t.Logf("  p%g %v, was %v: %.2f x", 100*p, at(all.Took, p), at(was, p), float64(at(all.Took, p))/float64(at(was, p)))
		}
	}
}

// side is what publishers did with or without a flood, in all turns.
type side struct {
	did       map[string]outcome // by where they are
	over, cpu time.Duration
}

// publish has each publisher bring so many good documents.
func (d *side) publish(t *testing.T, publishers map[string]*running, turn, good int) {
	t.Helper()
	if d.did == nil {
		d.did = map[string]outcome{}
	}
	used, began := cpu(), time.Now()
	ends := map[string]func() outcome{}
	for where, r := range publishers {
		from, _, _ := strings.Cut(where, ",")
		e := errand{From: from, Senders: []sender{r.sender()}}
		for i := range good {
			e.Documents = append(e.Documents, r.sign(offering(fmt.Sprint(turn, "-", i), "好文件")))
		}
		ends[where] = r.errand(e)
	}
	for where, end := range ends {
		got := end()
		if got.Got[vocab.Accepted]+got.Got[vocab.Unchanged] != good {
			t.Errorf("of %d good documents from %s: %v", good, where, got.Got)
		}
		all := d.did[where]
		all.add(got)
		d.did[where] = all
	}
	d.over += time.Since(began)
	d.cpu += cpu() - used
}

// mallories are so many spaces that will flood from one address. As few may apply
// from one, each was admitted from an address of its own, in a net of their own.
func (s *stand) mallories(net byte, n int) (e errand) {
	for i := range n {
		m := s.newcomer(nil)
		m.conn.Close()
		m.from(127, 0, net, byte(3+i))
		s.admit(m, fmt.Sprint("作恶空间", net, i))
		m.conn.Close()
		if i == 0 {
			e.Wrong = m.sign(offering("x", "假文件"))
		}
		e.Senders = append(e.Senders, m.sender())
	}
	return e
}

// Whoever signs a whole file with the wrong key is told so of each document,
// though many wrong signatures at once are put off; and once the key is the right
// one, all are taken.
func TestStandWrongKey(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for what is put off")
	}
	s := closed(t)
	r := s.space("拿错密钥的空间")
	const documents, window = 2000, 256
	wrong := running{t: t, key: identitytest.Key(t)}
	var mu sync.Mutex
	told, again := map[string]int{}, 0
	slots := make(chan struct{}, window)
	var sending sync.WaitGroup
	for i := range documents {
		// The proof says that it is of the space's key.
		raw := bytes.ReplaceAll(wrong.sign(offering(fmt.Sprint(i), "签错的文件")), []byte(bus.SpaceToken(wrong.key.DID())), []byte(bus.SpaceToken(r.key.DID())))
		slots <- struct{}{}
		sending.Go(func() {
			defer func() { <-slots }()
			got, tries := r.insist(raw)
			mu.Lock()
			defer mu.Unlock()
			again += tries - 1
			if len(got.Problems) > 0 {
				told[got.Problems[0].Code]++
			}
		})
	}
	sending.Wait()
	if told["proof.invalid"] != documents {
		t.Errorf("of %d documents with a wrong signature: %v", documents, told)
	}
	if again == 0 {
		t.Error("none was put off: the bound is not tested")
	}
	t.Logf("%d documents, %d times busy or unheard", documents, again)
	r.publishes("right", 20)
	s.clean()
}
