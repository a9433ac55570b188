package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/identity/identitytest"
	"lianmu/federation/ledger"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// own opens this hub's own log and appends the first n entries of p to it.
func (w *world) own(p *paper, n uint64) *ledger.Log {
	w.t.Helper()
	seed := bytes.Repeat([]byte{3}, 32)
	l, err := ledger.Open(context.Background(), ledger.Config{
		JetStream: w.bus.JetStream, Stream: bus.LogStream, State: w.bus.State(), Dir: filepath.Join(w.dir, "log"),
		Origin: p.origin, Seed: seed, Now: w.clock.now, Logger: w.logger(), CheckpointEvery: 5 * time.Millisecond,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = l.Close(context.Background()) })
	w.append(l, p, 0, n)
	return l
}

// append appends entries [from, to) of p and waits until they are signed.
func (w *world) append(l *ledger.Log, p *paper, from, to uint64) {
	w.t.Helper()
	for i := from; i < to; {
		var es []ledger.Entry
		for ; i < to && len(es) < ledger.MaxBatch; i++ {
			leaf := p.leaf(i)
			es = append(es, ledger.Entry{Document: p.documents[leaf.SHA256], Fact: vocab.Fact{Kind: leaf.Kind, Digest: leaf.SHA256}})
		}
		if _, err := l.Append(context.Background(), l.Size(), es); err != nil {
			w.t.Fatal(err)
		}
	}
	for range 1000 {
		if l.Latest().Size == l.Size() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.t.Fatal("the log is not signed")
}

// serve is a server of some logs; everybody may read what hidden does not say.
func (w *world) serve(hidden func(ledger.Record) bool, logs ...*ledger.Log) *Server {
	s := NewServer(ServerConfig{
		Card: func() []byte { return []byte(`{"of":"me"}`) }, Logs: func() []*ledger.Log { return logs },
		CardOf: func(origin string) []byte { return fmt.Appendf(nil, `{"of":%q}`, origin) },
		MayRead: func(_ vocab.Reader, _ string, rec ledger.Record) bool {
			if rec.Document == nil && rec.Evidence == nil {
				w.t.Error("asked about a record without its document")
			}
			return hidden == nil || !hidden(rec)
		}, Logger: w.logger(),
	})
	w.t.Cleanup(s.Close)
	return s
}

var approved = Who{DID: "did:key:zPeer", Approved: true}

// direct asks a server without a network.
func direct(s *Server, who Who) Asker {
	return askFunc(func(ctx context.Context, q Question, body []byte) ([]byte, error) {
		return s.Reply(ctx, who, q, body), nil
	})
}

// copyLog follows a log as a source has it, in a world of its own.
func copyLog(t *testing.T, p *paper, vkey string, src Source, own bool) (*follower, error) {
	t.Helper()
	w := newWorld(t)
	q := *p
	q.vkey = vkey
	f := w.follow(&q, true)
	answer, err := src.Logs(t.Context(), LogsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range answer.Logs {
		if string(o.Card) == fmt.Sprintf(`{"of":%q}`, p.origin) {
			_, err = f.Advance(t.Context(), src, own, []byte(o.Checkpoint))
			return f, err
		}
	}
	t.Fatalf("the log is not offered: %+v", answer)
	return nil, nil
}

// sameLog checks that a mirror has the log's entries, but for some that it lacks.
func sameLog(t *testing.T, l *ledger.Log, f *follower, lacks map[uint64]ledger.EntryState) {
	t.Helper()
	root, err := l.Root(f.Log.Size())
	if got, err2 := f.Log.Root(f.Log.Size()); err != nil || err2 != nil || got != root || f.Log.Size() != l.Size() {
		t.Fatalf("%d entries of %d, other root: %v", f.Log.Size(), l.Size(), got != root)
	}
	for rec, err := range f.Log.Read(t.Context(), 0, f.Log.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.State != lacks[rec.Index] || (rec.Document != nil) != (rec.State == ledger.Held) {
			t.Errorf("entry %d is %s", rec.Index, rec.State)
		}
	}
}

// The same bytes go over NATS and over HTTP, with redirects, broken answers and
// all; and a mirror serves on as its log does.
func TestTransportsAndRelay(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	space := identitytest.Key(t)
	p.offer(space, 1500)
	l := w.own(p, 1500)
	hidden := map[uint64]ledger.EntryState{}
	s := w.serve(func(rec ledger.Record) bool {
		if rec.Index%7 == 0 {
			hidden[rec.Index] = ledger.Withheld
		}
		return rec.Index%7 == 0
	}, l)

	// NATS: what the hub subscribes to, in its account.
	sub, err := w.bus.Conn.Subscribe(SubjectPrefix+"*", func(m *nats.Msg) {
		go func() {
			_ = m.Respond(s.Reply(context.Background(), approved, Question(strings.TrimPrefix(m.Subject, SubjectPrefix)), m.Data))
		}()
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	over := NewClient(NewNATSAsker(w.bus.Conn, 10*time.Second))
	f, err := copyLog(t, p, l.VerifierKey(), over, true)
	if err != nil {
		t.Fatal(err)
	}
	if len(hidden) == 0 {
		t.Fatal("nothing was hidden")
	}
	sameLog(t, l, f, hidden)
	if note, err := over.Checkpoint(t.Context(), p.origin); err != nil || !bytes.Equal(note, l.Checkpoint()) {
		t.Errorf("%q, %v", note, err)
	}

	// HTTP.
	var sent atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token" || r.Method != http.MethodPost || r.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("%s %v", r.Method, r.Header)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		who := approved
		who.Takes = MaxAnswerHTTP
		reply := s.Reply(r.Context(), who, Question(strings.TrimPrefix(r.URL.Path, PathPrefix)), body)
		sent.Add(int64(len(reply)))
		_, _ = rw.Write(reply)
	}))
	t.Cleanup(web.Close)
	token := func() (string, error) { return "token", nil }
	f2, err := copyLog(t, p, l.VerifierKey(), NewClient(NewHTTPAsker(web.Client(), web.URL+"/", token)), true)
	if err != nil {
		t.Fatal(err)
	}
	sameLog(t, l, f2, hidden)
	content := uint64(0)
	for i := range p.size() {
		content += uint64(len(p.documents[p.leaf(i).SHA256]))
	}
	t.Logf("%d bytes on the wire for %d of content", sent.Load(), content)
	if float64(sent.Load()) > 1.3*float64(content) {
		t.Errorf("%d bytes on the wire for %d of content", sent.Load(), content)
	}

	// A third hub copies from the second, which has less than the first.
	relay := f2
	third, err := copyLog(t, p, l.VerifierKey(), NewClient(direct(w.serve(nil, relay.Log), approved)), false)
	if err != nil {
		t.Fatal(err)
	}
	sameLog(t, l, third, hidden)
	// What it lacks it gets from the first, which lets it see everything.
	all := NewClient(direct(w.serve(nil, l), approved))
	if n, err := third.Mend(t.Context(), all, true); err != nil || n != len(hidden) {
		t.Errorf("%d mended, %v", n, err)
	}
	sameLog(t, l, third, nil)
	if s, _ := third.judge.Registry().Space(space.DID()); s.Offerings != 1500 {
		t.Errorf("%d offerings", s.Offerings)
	}
}

func TestHTTPAskerFaults(t *testing.T) {
	token := func() (string, error) { return "token", nil }
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	for name, h := range map[string]http.HandlerFunc{
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"not found": http.NotFound,
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte{answered})
			for range 2 * maxReply >> 20 {
				_, _ = w.Write(make([]byte, 1<<20))
			}
		},
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte{answered, 1, 2})
		},
		"a page": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"an endless drip": func(w http.ResponseWriter, r *http.Request) {
			for b := answered; r.Context().Err() == nil; b++ {
				if _, err := w.Write([]byte{byte(b)}); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush() // whoever left needs none
				time.Sleep(time.Millisecond)
			}
		},
	} {
		web := httptest.NewServer(h)
		c := NewClient(NewHTTPAsker(web.Client(), web.URL, token))
		if name == "an endless drip" {
			c.timeout = 50 * time.Millisecond
		}
		var sf *SourceFault
		if _, err := c.Leaves(t.Context(), "a", 0, 5); !errors.As(err, &sf) {
			t.Errorf("%s: %v", name, err)
		}
		web.Close()
	}
	failing := NewClient(NewHTTPAsker(http.DefaultClient, "http://127.0.0.1:1", func() (string, error) { return "", errors.New("no key") }))
	if _, err := failing.Checkpoint(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "no key") {
		t.Errorf("got %v", err)
	}
}

func TestRefusals(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	p.offer(identitytest.Key(t), 20)
	l := w.own(p, 20)
	s := w.serve(nil, l)
	digest := make([]byte, 32)
	for _, row := range []struct {
		name string
		who  Who
		q    Question
		body any
		code string
	}{
		{"unknown question", approved, "gossip", question{Origin: p.origin}, "peer.question"},
		{"no such log", approved, AskCheckpoint, question{Origin: "other"}, "log.not_found"},
		{"leaves beyond the checkpoint", approved, AskLeaves, question{Origin: p.origin, From: 20, To: 21}, "log.not_found"},
		{"a tile beyond it", approved, AskTile, question{Origin: p.origin, Path: "tile/0/001"}, "log.not_found"},
		{"no tile", approved, AskTile, question{Origin: p.origin, Path: "../../etc/passwd"}, "log.not_found"},
		{"not approved", Who{DID: "did:key:zNew"}, AskDocuments, question{Origin: p.origin, Digests: digest}, "peer.unapproved"},
		{"not JSON", approved, AskLeaves, "x", "peer.question"},
		{"too large", approved, AskLogs, strings.Repeat("x", MaxRequest+1), "request.too_large"},
	} {
		body, err := jsonOf(row.body)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Answer(t.Context(), row.who, row.q, body)
		var ps vocab.Problems
		if !errors.As(err, &ps) || ps[0].Code != row.code || ps[0].Message["zh"] == "" || strings.Contains(ps.Error(), "%!") {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	// Who is not approved gets everything else, and who is refused is told by Asked.
	c := NewClient(direct(s, Who{DID: "did:key:zNew"}))
	if b, err := c.Leaves(t.Context(), p.origin, 3, 500); err != nil || len(b) != 17*ledger.LeafSize {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if b, err := c.Tile(t.Context(), p.origin, "tile/entries/000.p/20"); err != nil || len(b) != 20*(ledger.LeafSize+2) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	var heard []string
	s.c.Asked = func(did string, r LogsRequest) error {
		heard = append(heard, did+string(r.Card))
		return refuse("peer.blocked", "已屏蔽", "blocked")
	}
	_, err := c.Logs(t.Context(), LogsRequest{Card: []byte(`{"a":1}`)})
	var sf *SourceFault
	if !errors.As(err, &sf) || sf.Problem.Code != "peer.refused" || fmt.Sprint(heard) != `[did:key:zNew{"a":1}]` {
		t.Errorf("%v, heard %v", err, heard)
	}
	// A panic of what it is told by is contained.
	s.c.MayRead = func(vocab.Reader, string, ledger.Record) bool { panic("boom") }
	s.c.Logger = w.quiet()
	_, err = NewClient(direct(s, approved)).Documents(t.Context(), p.origin, []vocab.Digest{p.leaf(0).SHA256})
	if !errors.As(err, &sf) || !strings.Contains(err.Error(), "failed") {
		t.Errorf("got %v", err)
	}
}

// Answers keep to what the asker takes, and still give at least one document,
// however large; in the end everything is there.
func TestAnswersFit(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	for i := range 40 {
		noise := make([]byte, []int{100, 5000, ledger.MaxDocument}[i%20/9])
		for j := range noise {
			noise[j] = byte(j*j>>3) ^ byte(i+j>>7)
		}
		p.write(vocab.KindOffering, noise)
	}
	l := w.own(p, 40)
	c := NewClient(direct(w.serve(nil, l), approved))
	for _, take := range []int{1, 10 << 10, 100 << 10, MaxAnswer} {
		var digests []vocab.Digest
		for i := range p.size() {
			digests = append(digests, p.leaf(i).SHA256)
		}
		c.take = take
		most := 0
		c.ask = askFunc(func(ctx context.Context, q Question, body []byte) ([]byte, error) {
			b, err := direct(w.serve(nil, l), approved).Ask(ctx, q, body)
			most = max(most, len(b))
			return b, err
		})
		for len(digests) > 0 {
			documents, err := c.Documents(t.Context(), p.origin, digests)
			if err != nil {
				t.Fatal(err)
			}
			for i, d := range documents {
				if d.State != DocumentGiven || vocab.DigestOf(d.Bytes) != digests[i] {
					t.Fatalf("document %d: %d", i, d.State)
				}
			}
			if len(documents) > 1 && most > take+1 {
				t.Fatalf("%d bytes for %d documents, with %d to take", most, len(documents), take)
			}
			digests, most = digests[len(documents):], 0
		}
	}
}

// A long poll ends as soon as there is something that the asker does not hold.
func TestLongPoll(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	p.offer(identitytest.Key(t), 60)
	l := w.own(p, 20)
	other := newPaper(t).offer(identitytest.Key(t), 5)
	s := w.serve(nil, l)
	c := NewClient(direct(s, approved))
	first, err := c.Logs(t.Context(), LogsRequest{WaitMS: 30000})
	if err != nil || len(first.Logs) != 1 || !first.Logs[0].Own || string(first.Card) != `{"of":"me"}` {
		t.Fatalf("%+v, %v", first, err)
	}
	size := func(a *LogsAnswer, i int) uint64 {
		cp, err := ledger.ParseCheckpoint([]byte(a.Logs[i].Checkpoint), l.VerifierKey())
		if err != nil {
			t.Fatal(err)
		}
		return cp.Size
	}
	type got struct {
		a   *LogsAnswer
		err error
	}
	wait := func(held map[string]Held) <-chan got {
		ch := make(chan got, 1)
		go func() {
			a, err := c.Logs(context.Background(), LogsRequest{WaitMS: 30000, Held: held})
			ch <- got{a, err}
		}()
		return ch
	}
	ch := wait(map[string]Held{p.origin: {Size: 20}})
	select {
	case g := <-ch:
		t.Fatalf("answered at once: %+v, %v", g.a, g.err)
	case <-time.After(100 * time.Millisecond):
	}
	w.append(l, p, 20, 60)
	if g := <-ch; g.err != nil || size(g.a, 0) == 20 {
		t.Fatalf("%+v, %v", g.a, g.err)
	}
	// Another log is news too, and stands before those that are held.
	mirror := newWorld(t).follow(other, true)
	mirror.advance(t, other, true, other.last())
	ch = wait(map[string]Held{p.origin: {Size: 60}})
	logs := []*ledger.Log{l, mirror.Log}
	s.board.mu.Lock()
	s.c.Logs = func() []*ledger.Log { return logs }
	s.board.mu.Unlock()
	if g := <-ch; g.err != nil || len(g.a.Logs) != 2 || g.a.Logs[1].Own {
		t.Fatalf("%+v, %v", g.a, g.err)
	}
	// Nothing new: it waits until its time is up, the asker leaves or the hub closes.
	held := map[string]Held{p.origin: {Size: 60}, other.origin: {Size: 5}}
	if a, err := c.Logs(t.Context(), LogsRequest{WaitMS: 50, Held: held}); err != nil || len(a.Logs) != 2 {
		t.Fatalf("%+v, %v", a, err)
	}
	ch = wait(held)
	s.Close()
	if g := <-ch; g.err != nil || len(g.a.Logs) != 2 {
		t.Fatalf("%+v, %v", g.a, g.err)
	}
}

// However many logs there are, the answer fits, with the own one and the news.
func TestManyLogs(t *testing.T) {
	var offers []offer
	held := map[string]Held{}
	for i := range 2000 {
		o := offer{origin: fmt.Sprintf("log/%d", i), size: 10, own: i == 1000}
		if i < 1990 {
			held[o.origin] = Held{Size: 10}
		}
		offers = append(offers, o)
	}
	sorted, news := sort(offers, held)
	if !news || len(sorted) != MaxLogs || !sorted[0].own || sorted[1].origin != "log/1990" {
		t.Errorf("%v %d %v", news, len(sorted), sorted[:2])
	}
	delete(held, "log/5")
	for i := range 2000 {
		held[fmt.Sprintf("log/%d", i)] = Held{Size: 11}
	}
	if _, news := sort(offers, held); news {
		t.Error("what is held in full is news")
	}
}
