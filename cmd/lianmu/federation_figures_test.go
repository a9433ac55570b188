package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub/bus"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// TestFederationFigures measures what copying logs costs, with as many entries as
// LIANMU_FEDERATION_ENTRIES says, on hubs that are processes of their own. Figures
// are told, not judged. Generator, hubs and searches share the machine.
func TestFederationFigures(t *testing.T) {
	count, err := strconv.Atoi(os.Getenv("LIANMU_FEDERATION_ENTRIES"))
	if err != nil || count < 1000 {
		t.Skip("set LIANMU_FEDERATION_ENTRIES to 1000 or more, such as 100000, to measure")
	}
	w := newTown(t, rand.New(rand.NewPCG(1, 8)), 4)
	origin, mirror, relayed, late := w.hubs[0], w.hubs[1], w.hubs[2], w.hubs[3]
	t.Logf("%s, %d cores, %s/%s; %d entries; all hubs on one machine, over NATS through a proxy of the test", runtime.Version(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, count)
	origin.load(count)
	late.load(count / 5)

	w.befriend(0, 1, true)
	copied, searchable := mirror.takesIn(origin, uint64(count))
	first := mirror.received()
	t.Logf("first mirror: %.0f entries/s in the log, %.0f/s searchable; peak memory %d MB; %.1f MB received", per(count, copied), per(count, searchable), mirror.peak(), float64(first)/1e6)

	w.befriend(1, 2, true)
	copied, searchable = relayed.takesIn(origin, uint64(count))
	t.Logf("a relay hop further: %.0f entries/s in the log, %.0f/s searchable; peak memory %d MB; %.1f MB received", per(count, copied), per(count, searchable), relayed.peak(), float64(relayed.received())/1e6)

	words := mirror.words()
	rest := mirror.searches(words, func(n int) bool { return n < 1000 })
	mirror.cable.cut() // nobody copies from it meanwhile
	w.befriend(1, 3, false)
	began := time.Now()
	busy := mirror.searches(words, func(int) bool {
		return !mirror.has(late, uint64(count/5)) && time.Since(began) < 10*time.Minute
	})
	t.Logf("searches at rest: p50 %v, p95 %v, p99 %v of %d; while %d entries came in over %v: p50 %v (%.1f×), p95 %v (%.1f×), p99 %v (%.1f×) of %d",
		at(rest, 50), at(rest, 95), at(rest, 99), len(rest), count/5, time.Since(began).Round(time.Millisecond),
		at(busy, 50), ratio(busy, rest, 50), at(busy, 95), ratio(busy, rest, 95), at(busy, 99), ratio(busy, rest, 99), len(busy))

	mirror.cable.join()
	for _, h := range []*townHub{relayed, late} { // what follows is between two hubs
		if code, _ := h.stop(); code != 0 {
			t.Errorf("hub %d ended with %d", h.number, code)
		}
	}
	if code, _ := mirror.stop(); code != 0 {
		t.Errorf("the mirror ended with %d", code)
	}
	origin.load(count / 10)
	total := uint64(count + count/10)
	mirror.start()
	copied, searchable = mirror.takesIn(origin, total)
	t.Logf("catching up %d of %d: level after %v, searchable after %v; %.1f MB received, %.2f of what an entry of the first mirror took", count/10, total,
		copied.Round(time.Millisecond), searchable.Round(time.Millisecond), float64(mirror.received())/1e6, float64(mirror.received())/float64(count/10)/(float64(first)/float64(count)))

	atOrigin, atPeer := w.delays(origin, mirror, 150)
	t.Logf("receipt to searchable at rest: on the same hub p50 %v, p99 %v; on the peer p50 %v, p99 %v, of %d", at(atOrigin, 50), at(atOrigin, 99), at(atPeer, 50), at(atPeer, 99), len(atPeer))
	background := origin.loading(8000, "--rate", "200")
	atOrigin, atPeer = w.delays(origin, mirror, 100)
	t.Logf("receipt to searchable at 200/s: on the same hub p50 %v, p99 %v; on the peer p50 %v, p99 %v, of %d", at(atOrigin, 50), at(atOrigin, 99), at(atPeer, 50), at(atPeer, 99), len(atPeer))
	background()

	report := origin.verifyClean()
	share := float64(report.Log.Bytes) / float64(report.Log.Size)
	t.Logf("received over content: %.2f; a document has %.0f bytes", float64(first)/float64(count)/share, share)
}

func per(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }

func at(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)*percent/100, len(sorted)-1)].Round(10 * time.Microsecond)
}

func ratio(a, b []time.Duration, percent int) float64 {
	return float64(at(a, percent)) / float64(at(b, percent))
}

// loading publishes synthetic documents to the hub; wait returns when it is done.
func (h *townHub) loading(count int, also ...string) (wait func()) {
	h.t.Helper()
	path, err := program()
	if err != nil {
		h.t.Fatal(err)
	}
	args := append([]string{"load", "--hub", h.info.NATS, "--count", strconv.Itoa(count), "--seed", strconv.Itoa(count + h.number), "--json"}, also...)
	cmd := exec.CommandContext(h.t.Context(), path, args...)
	cmd.Env = cleanEnv()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	return func() {
		h.t.Helper()
		if err := cmd.Wait(); err != nil {
			h.t.Fatalf("load: %v\n%s", err, out.String())
		}
	}
}

func (h *townHub) load(count int) {
	h.t.Helper()
	h.loading(count)()
	for end := time.Now().Add(10 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if c := h.coverage(h); c.LogSize > 0 && c.Indexed == c.LogSize {
			return
		}
		if time.Now().After(end) {
			h.t.Fatal("the index is not level")
		}
	}
}

// coverage is what the hub says of its copy of a log. It is not asked for with a
// search, which work on mirrors would give way to.
func (h *townHub) coverage(of *townHub) view.Coverage {
	h.t.Helper()
	var a struct{ Coverage []view.Coverage }
	if status, err := h.ask("/api/v1/peers", false, &a); err == nil && status == http.StatusOK {
		for _, c := range a.Coverage {
			if c.Hub == of.info.Origin {
				return c
			}
		}
	}
	return view.Coverage{}
}

func (h *townHub) has(of *townHub, entries uint64) bool {
	return h.coverage(of).Indexed >= entries
}

// takesIn waits until the hub has and shows so many entries of another's log, and
// tells how long both took.
func (h *townHub) takesIn(of *townHub, entries uint64) (copied, searchable time.Duration) {
	h.t.Helper()
	began := time.Now()
	for ; ; time.Sleep(50 * time.Millisecond) {
		h.alive()
		c := h.coverage(of)
		if copied == 0 && c.LogSize >= entries {
			copied = time.Since(began)
		}
		if c.Indexed >= entries {
			return copied, time.Since(began)
		}
		if time.Since(began) > 20*time.Minute {
			h.t.Fatalf("not level after 20 minutes: %+v\n%s", c, h.peers())
		}
	}
}

// received is how many bytes of answers the hub has had from its peers.
func (h *townHub) received() (sum int64) {
	h.t.Helper()
	var list struct{ Items []peering.PeerInfo }
	if status, err := h.ask("/api/v1/peers", true, &list); err != nil || status != http.StatusOK {
		h.t.Fatalf("peers: %d %v", status, err)
	}
	for _, p := range list.Items {
		if p.Link != nil {
			sum += p.Link.In
		}
	}
	return sum
}

// peak is the most memory that the process has had, in MB.
func (h *townHub) peak() int {
	h.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(b), "VmHWM:")
	kb, _ := strconv.Atoi(strings.Fields(after + " 0")[0])
	return kb / 1024
}

// words are pairs of characters, or words, of titles that the hub shows.
func (h *townHub) words() (words []string) {
	h.t.Helper()
	var a view.Answer
	h.get("/api/v1/search?limit=100&sort=title", &a)
	for _, hit := range a.Hits {
		r := []rune(hit.Title.In("zh"))
		if len(r) > 3 {
			words = append(words, string(r[1:3]))
		}
	}
	if len(words) == 0 {
		h.t.Fatal("no titles to search by")
	}
	return words
}

// searches asks one search after another, 20 ms apart, while more says so, and
// returns how long each took, sorted.
func (h *townHub) searches(words []string, more func(done int) bool) (took []time.Duration) {
	h.t.Helper()
	for i := 0; more(i); i++ {
		began := time.Now()
		var a view.Answer
		status, err := h.ask("/api/v1/search?limit=20&q="+url.QueryEscape(words[i%len(words)]), false, &a)
		if err != nil || status != http.StatusOK {
			h.t.Fatalf("search: %d %v", status, err)
		}
		took = append(took, time.Since(began))
		time.Sleep(20 * time.Millisecond)
	}
	slices.Sort(took)
	return took
}

// delays publishes single offerings at one hub, and measures from each receipt how
// long it takes until they are found there and at the other.
func (w *town) delays(from, to *townHub, count int) (there, beyond []time.Duration) {
	w.t.Helper()
	key := testKey(w.t, 200)
	fresh := func() (string, error) { return identity.NewToken(key, from.info.DID, time.Now(), time.Minute) }
	conn, err := nats.Connect(from.info.NATS, bus.ClientOptions(fresh, key.DID())...)
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	for i := range count {
		id := fmt.Sprintf("https://space.example/delay-%d-%d", time.Now().UnixNano(), i)
		text := fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@id":%q,"@type":"Dataset","title":{"zh":"第 %d 次测量"}}`, id, i)
		raw := identitytest.Sign(w.t, text, key, identity.SignOptions{Created: time.Now(), Expires: time.Now().Add(day)})
		m, err := conn.Request(bus.SubmitPrefix+bus.SpaceToken(key.DID()), raw, 10*time.Second)
		var r vocab.Receipt
		if err == nil {
			err = json.Unmarshal(m.Data, &r)
		}
		if err != nil || r.Status != vocab.Accepted {
			w.t.Fatalf("%+v, %v", r, err)
		}
		began := time.Now()
		there = append(there, from.finds(id, began))
		beyond = append(beyond, to.finds(id, began))
		time.Sleep(time.Duration(w.rnd.Int64N(int64(300 * time.Millisecond))))
	}
	slices.Sort(there)
	slices.Sort(beyond)
	return there, beyond
}

// finds polls until an @id is found.
func (h *townHub) finds(id string, since time.Time) time.Duration {
	h.t.Helper()
	for time.Since(since) < time.Minute {
		var a view.Answer
		if status, err := h.ask("/api/v1/search?limit=1&filter="+url.QueryEscape("id:"+id), false, &a); err == nil && status == http.StatusOK && a.Total == 1 {
			return time.Since(since)
		}
		time.Sleep(5 * time.Millisecond)
	}
	h.t.Fatalf("%s is not found after a minute\n%s", id, h.peers())
	return 0
}
