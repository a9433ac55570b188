package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/identity"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// traffic is a stream of submissions of several spaces: new offerings, changes,
// renewals, older versions, withdrawals, deregistrations, repetitions and bad
// ones, each sent until it is answered.
type traffic struct {
	t      *testing.T
	spaces []*identity.Key

	mu     sync.Mutex
	rnd    *rand.Rand
	stamp  identity.Stamp
	serial int
	live   []*submission // offerings to change, renew and take down
	all    map[vocab.Digest]*submission

	answered atomic.Int64
	busy     atomic.Int64
	allow    chan struct{} // one a new submission: bounds the work of a slow machine
}

// newTraffic draws from seed; spaces have fixed keys, so that a seed gives the
// same documents but for their times.
func newTraffic(t *testing.T, seed uint64, spaces int) *traffic {
	t.Helper()
	tr := &traffic{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), all: map[vocab.Digest]*submission{}, allow: make(chan struct{}, 1<<20)}
	for i := range spaces {
		tr.spaces = append(tr.spaces, testKey(t, i+1))
	}
	return tr
}

// document is the text of an offering with a given content.
func (tr *traffic) document(id string, content int) string {
	return fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@id":%q,"@type":"Dataset","title":{"zh":"第 %d 版港口吞吐量","en":"Port throughput %d"},"keyword":["port","v%d"],"description":%q}`,
		id, content, content, content, pad[:200+content%800])
}

var pad = func() string {
	b := make([]byte, 1000)
	for i := range b {
		b[i] = "abcdefghij klmno pqrstu"[i*7%23]
	}
	return string(b)
}()

func removal(typ, id string) string {
	return fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@id":%q,"@type":%q}`, id, typ)
}

// sign makes a submission; the caller holds mu.
func (tr *traffic) sign(key *identity.Key, kind vocab.EntryKind, id, text string, content int, created time.Time, valid time.Duration) *submission {
	raw, err := identity.Sign([]byte(text), key, identity.SignOptions{Created: created, Expires: created.Add(valid)})
	if err != nil {
		panic(err) // a fault of the test
	}
	return tr.keep(&submission{raw: raw, space: key.DID(), id: id, kind: kind, created: created, content: content})
}

func (tr *traffic) keep(s *submission) *submission {
	s.digest = vocab.DigestOf(s.raw)
	tr.all[s.digest] = s
	return s
}

const day = 24 * time.Hour

// next draws the next submission.
func (tr *traffic) next() *submission {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.serial++
	now := tr.stamp.Next(time.Now())
	draw := tr.rnd.IntN(100)
	if len(tr.live) == 0 || draw < 40 {
		key := tr.spaces[tr.rnd.IntN(len(tr.spaces))]
		id := fmt.Sprintf("https://space.example/%d", tr.serial)
		s := tr.sign(key, vocab.KindOffering, id, tr.document(id, tr.serial), tr.serial, now, 30*day)
		tr.live = append(tr.live, s)
		return s
	}
	i := tr.rnd.IntN(len(tr.live))
	old := tr.live[i]
	key := tr.spaces[slices.IndexFunc(tr.spaces, func(k *identity.Key) bool { return k.DID() == old.space })]
	switch {
	case draw < 60: // a change
		tr.live[i] = tr.sign(key, vocab.KindOffering, old.id, tr.document(old.id, tr.serial), tr.serial, now, 30*day)
		return tr.live[i]
	case draw < 70: // a renewal: a year more
		tr.live[i] = tr.sign(key, vocab.KindOffering, old.id, tr.document(old.id, old.content), old.content, now, 365*day)
		return tr.live[i]
	case draw < 74: // an older version that was held up
		return tr.sign(key, vocab.KindOffering, old.id, tr.document(old.id, tr.serial), tr.serial, old.created.Add(-time.Second), 30*day)
	case draw < 84:
		return tr.sign(key, vocab.KindWithdrawal, old.id, removal("Withdrawal", old.id), 0, now, 30*day)
	case draw < 88:
		tr.live = slices.Delete(tr.live, i, i+1)
		return tr.sign(key, vocab.KindDeregistration, old.id, removal("Deregistration", old.id), 0, now, 30*day)
	case draw < 94: // a repetition
		return old
	case draw < 96: // altered after signing
		raw := slices.Clone(old.raw)
		raw[len(raw)/2] ^= 1
		return tr.keep(&submission{raw: raw, space: old.space})
	case draw < 98: // nothing that could be read
		return tr.keep(&submission{raw: fmt.Appendf(nil, `{"@id": %d`, tr.serial), space: old.space})
	}
	id := fmt.Sprintf("https://space.example/never-%d", tr.serial)
	return tr.sign(key, vocab.KindWithdrawal, id, removal("Withdrawal", id), 0, now, 30*day)
}

// bad reports whether a submission can only be refused.
func (s *submission) bad() bool { return s.kind == 0 }

// client is a connection for each space, by its DID.
type client map[string]*link

// link is a connection that outlives the hub. A request ends with the
// connection that it went out on, so that a killed hub holds nobody up.
type link struct {
	*nats.Conn
	mu   sync.Mutex
	line context.Context
	cut  context.CancelFunc
}

func (tr *traffic) dial(url string) client {
	tr.t.Helper()
	c := client{}
	for _, key := range tr.spaces {
		c[key.DID()] = tr.link(url, key)
	}
	return c
}

func (tr *traffic) link(url string, key *identity.Key) *link {
	tr.t.Helper()
	c, g := &link{}, &greeter{}
	renew := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.cut != nil {
			c.cut()
		}
		c.line, c.cut = context.WithCancel(context.Background())
	}
	renew()
	who := bus.ClientOptions(func() (string, error) {
		hub, err := g.hub()
		if err != nil {
			return "", err
		}
		return identity.NewToken(key, hub, time.Now(), time.Minute)
	}, key.DID())
	conn, err := nats.Connect(url, append(who, nats.SetCustomDialer(g), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { renew() }))...)
	if err != nil {
		tr.t.Fatal(err)
	}
	c.Conn = conn
	tr.t.Cleanup(func() { conn.Close(); renew(); c.cut() })
	return c
}

// submit asks once. An error means that there was no answer.
func (all client) submit(ctx context.Context, s *submission) (vocab.Receipt, error) {
	c := all[s.space]
	c.mu.Lock()
	line := c.line
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	defer context.AfterFunc(line, cancel)()
	m, err := c.RequestWithContext(ctx, bus.SubmitPrefix+bus.SpaceToken(s.space), s.raw)
	if err != nil {
		return vocab.Receipt{}, err
	}
	var r vocab.Receipt
	if err := json.Unmarshal(m.Data, &r); err != nil {
		return r, fmt.Errorf("answered %.200q: %w", m.Data, err)
	}
	return r, nil
}

// deliver sends s until it is answered with something else than busy, or ctx
// ends.
func (tr *traffic) deliver(ctx context.Context, conn client, s *submission) (vocab.Receipt, error) {
	for {
		r, err := conn.submit(ctx, s)
		switch {
		case err == nil && r.Status != vocab.Busy:
			tr.mu.Lock()
			s.receipts = append(s.receipts, r)
			tr.mu.Unlock()
			tr.answered.Add(1)
			return r, nil
		case err == nil:
			tr.busy.Add(1)
		}
		select {
		case <-ctx.Done():
			return vocab.Receipt{}, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// flow is traffic under way: a window of requests, each worker waiting for its
// answer before it sends the next.
type flow struct {
	stop    context.CancelFunc // no new submissions; those under way are still delivered
	abandon context.CancelFunc // give those up too
	workers sync.WaitGroup
}

// run starts a window of so many requests. Each new submission takes a token
// from allow.
func (tr *traffic) run(conn client, window int) *flow {
	ctx, abandon := context.WithCancel(context.Background())
	fresh, stop := context.WithCancel(ctx)
	f := &flow{stop: stop, abandon: abandon}
	for range window {
		f.workers.Go(func() {
			for {
				select {
				case <-fresh.Done():
					return
				case <-tr.allow:
				}
				if _, err := tr.deliver(ctx, conn, tr.next()); err != nil {
					return
				}
			}
		})
	}
	tr.t.Cleanup(func() { abandon(); f.workers.Wait() })
	return f
}

// permit lets so many more new submissions out.
func (tr *traffic) permit(n int) {
	for range n {
		tr.allow <- struct{}{}
	}
}

// finish takes no new submissions and waits until all have their answer.
func (f *flow) finish(t *testing.T, limit time.Duration) {
	t.Helper()
	f.stop()
	done := make(chan struct{})
	go func() { f.workers.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(limit):
		t.Fatalf("submissions without an answer after %v", limit)
	}
}

// check holds a running hub against everything that was acknowledged, and what
// it shows against the test's own fold. It returns the fold.
func (tr *traffic) check(n *node) *model {
	tr.t.Helper()
	n.level()
	tr.mu.Lock()
	known := maps.Clone(tr.all)
	tr.mu.Unlock()
	m := fold(tr.t, n.leaves(), known)
	subs := slices.Collect(maps.Values(known))
	for _, s := range subs {
		for _, r := range s.receipts {
			if s.bad() != (r.Status == vocab.Refused) && s.bad() {
				tr.t.Errorf("a bad document was answered %s", r.Status)
			}
		}
	}
	acknowledged := m.holds(tr.t, subs)
	m.equals(tr.t, n)
	tr.t.Logf("%d submissions, %d receipts of %d entries hold, %d answers were busy", len(subs), acknowledged, m.size, tr.busy.Load())
	return m
}

// repeatSome submits entries of the log again: each must be answered by what
// stands, found by its digest, and nothing may be logged.
func (tr *traffic) repeatSome(n *node, conn client, m *model, count int) {
	tr.t.Helper()
	for range min(count, len(m.entries)) {
		tr.mu.Lock()
		s := m.entries[tr.rnd.IntN(len(m.entries))]
		tr.mu.Unlock()
		var found vocab.Receipt
		status, err := n.ask("/api/v1/submissions/"+s.digest.String(), true, &found)
		if err != nil {
			tr.t.Fatal(err)
		}
		if status != 200 ||
			found.Log == nil || found.Log.Index != m.at[s.digest] || found.Digest != s.digest {
			tr.t.Errorf("GET submissions/%s: status %d, %+v; it is entry %d", s.digest, status, found, m.at[s.digest])
		}
		r, err := tr.deliver(tr.t.Context(), conn, s)
		if err != nil {
			tr.t.Fatal(err)
		}
		if err := m.repeated(s, r); err != nil {
			tr.t.Errorf("repeating entry %d: %v", m.at[s.digest], err)
		}
	}
	var info logInfo
	if n.get("/api/v1/log", &info); info.Size != m.size {
		tr.t.Errorf("repetitions were logged: %d entries instead of %d", info.Size, m.size)
	}
}
