package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/federation/ledger"
	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/bus"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// bench is an intake on a real bus and log, and a space that publishes to it.
type bench struct {
	*Intake
	t          *testing.T
	bus        *bus.Bus
	key        *identity.Key
	quarantine *Quarantine
	at         identity.Stamp
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir, log := t.TempDir(), slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := bus.Start(t.Context(), bus.Config{Dir: filepath.Join(dir, "js"), Listen: "127.0.0.1:0", Logger: log})
	fatal(err)
	t.Cleanup(func() { _ = b.Stop(context.Background()) })
	l, err := ledger.Open(t.Context(), ledger.Config{
		JetStream: b.JetStream, Stream: bus.LogStream, State: b.State(), Dir: filepath.Join(dir, "log"),
		Origin: "hub.example", Seed: bytes.Repeat([]byte{1}, 32), Now: time.Now, Logger: log,
	})
	fatal(err)
	t.Cleanup(func() { _ = l.Close(context.Background()) })
	q, err := OpenQuarantine(t.Context(), b.JetStream, time.Now, log, nil)
	fatal(err)
	reader, err := shape.NewReader()
	fatal(err)
	reg := registry.New()
	reg.Open()
	in := New(Config{
		Log: l, Registry: reg, Processor: jsonld.New(jsonld.Limits{}), Reader: reader, Quarantine: q,
		MayRead: func(vocab.Reader, ledger.Record) bool { return true }, Now: time.Now, Logger: log,
	})
	t.Cleanup(func() { in.Close(); q.Close() })
	key, err := identity.NewKey("ed25519")
	fatal(err)
	return &bench{Intake: in, t: t, bus: b, key: key, quarantine: q}
}

func (b *bench) sign(id, more string, valid time.Duration) []byte {
	b.t.Helper()
	doc := fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@id":"https://space.example/%s"%s}`, id, more)
	return identitytest.Sign(b.t, doc, b.key, identity.SignOptions{Created: b.at.Next(time.Now()), Expires: time.Now().Add(valid)})
}

const product = `,"@type":"DataProduct","title":"港口数据"`

func text(r vocab.Receipt) string {
	s, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return string(s)
}

// The bytes of an entry sent again are answered without reading them, and as if
// they had been read.
func TestRepetitionsAreAnsweredAlike(t *testing.T) {
	b := newBench(t)
	docs := map[string][]byte{
		"stands":       b.sign("a", product, time.Hour),
		"overtaken":    b.sign("b", product, time.Hour),
		"withdrawn":    b.sign("c", product, time.Hour),
		"deregistered": b.sign("d", product, time.Hour),
		"expires soon": b.sign("e", product, 2*time.Second),
		"withdrawal":   b.sign("c", `,"@type":"Withdrawal"`, time.Hour),
		"final":        b.sign("d", `,"@type":"Deregistration"`, time.Hour),
	}
	for _, raw := range [][]byte{docs["stands"], docs["overtaken"], b.sign("b", product+`,"description":"新版"`, time.Hour), docs["withdrawn"],
		docs["deregistered"], docs["expires soon"], docs["withdrawal"], docs["final"]} {
		if r := b.Submit(t.Context(), raw); r.Status != vocab.Accepted {
			t.Fatal(text(r))
		}
	}
	size := b.c.Log.Size()
	for name, raw := range docs {
		short := &job{raw: raw, receipt: vocab.Receipt{Digest: vocab.DigestOf(raw)}}
		if !b.repeated(short) {
			t.Errorf("%s: was not known", name)
			continue
		}
		long := &job{raw: raw, receipt: vocab.Receipt{Digest: vocab.DigestOf(raw)}}
		if b.prepare(long) {
			b.settle([]*job{long})
		}
		if text(short.receipt) != text(long.receipt) {
			t.Errorf("%s: without reading\n%s\nread\n%s", name, text(short.receipt), text(long.receipt))
		}
	}
	if b.c.Log.Size() != size {
		t.Error("a repetition was logged")
	}
	foreign := &job{raw: docs["stands"], subject: "z6Mkother", receipt: vocab.Receipt{Digest: vocab.DigestOf(docs["stands"])}}
	if b.repeated(foreign) {
		t.Error("answered on another space's subject")
	}
	for { // the clock alone ends it
		if r := b.Submit(t.Context(), docs["expires soon"]); r.Status == vocab.Refused {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Equal submissions under way are worked on once; each has its receipt.
func TestEqualSubmissionsShareTheWork(t *testing.T) {
	q := newQueue(10)
	one, two, three := &job{raw: []byte("x")}, &job{raw: []byte("x"), claim: access.Claim{Client: "b"}}, &job{raw: []byte("x"), subject: "z6Mk"}
	for _, j := range []*job{one, two, three} {
		if !q.put(j) {
			t.Fatal("no room")
		}
	}
	q.close()
	var led []*job
	for j, ok := q.take(); ok; j, ok = q.take() {
		led = append(led, j)
	}
	if len(led) != 2 {
		t.Fatalf("%d are worked on; the same bytes on another subject are another question, else they are one", len(led))
	}
	waited := 0
	for _, j := range led {
		waited += len(q.done(j))
	}
	if waited != 1 || q.line.Len() != 0 || len(q.leading) != 0 {
		t.Errorf("%d waited, %d are left", waited, q.line.Len())
	}

	b := newBench(t)
	raw := b.sign("a", product, time.Hour)
	receipts := make(chan vocab.Receipt, 100)
	var all sync.WaitGroup
	for range cap(receipts) {
		all.Go(func() { receipts <- b.Submit(t.Context(), raw) })
	}
	all.Wait()
	close(receipts)
	got := map[vocab.Status]int{}
	for r := range receipts {
		got[r.Status]++
		if r.Log == nil || r.Log.Index != 0 || r.ReceivedAt.IsZero() {
			t.Errorf("receipt %s", text(r))
		}
	}
	if got[vocab.Accepted] != 1 || got[vocab.Unchanged] != 99 || b.c.Log.Size() != 1 {
		t.Errorf("receipts %v, %d entries", got, b.c.Log.Size())
	}
}

// Of what may be secret, or was not read, neither body nor @id is kept.
func TestQuarantineKeepsNothingDoubtful(t *testing.T) {
	b := newBench(t)
	many := make([]string, 150) // so that the list of problems is cut
	for i := range many {
		many[i] = fmt.Sprintf(`{"@type":"Distribution","byteSize":"x%d","downloadURL":"\u0001"}`, i)
	}
	altered := bytes.Replace(b.sign("altered-绝密", product, time.Hour), []byte("港口"), []byte("港囗"), 1)
	for name, c := range map[string]struct {
		raw  []byte
		kept bool
	}{
		"forbidden":              {b.sign("x1", product+`,"securityLevel":"机密"`, time.Hour), false},
		"secret":                 {b.sign("x2", product+`,"securityLevel":"秘密"`, time.Hour), false},
		"traditional":            {b.sign("x3", product+`,"securityLevel":"絕密"`, time.Hour), false},
		"level not understood":   {b.sign("x4", product+`,"securityLevel":"somewhat"`, time.Hour), false},
		"importance unclear":     {b.sign("x5", product+`,"importance":"普通"`, time.Hour), false},
		"audience unclear":       {b.sign("x6", product+`,"audience":"friends"`, time.Hour), false},
		"two levels":             {b.sign("x7", product+`,"securityLevel":["公开","敏感"]`, time.Hour), false},
		"forbidden, many faults": {b.sign("x8", product+`,"distribution":[`+strings.Join(many, ",")+`],"securityLevel":"机密"`, time.Hour), false},
		"not signed":             {[]byte(`{"@context":"https://w3id.org/lianmu/v1","@id":"https://space.example/x9","@type":"DataProduct","title":"机密之事"}`), false},
		"altered":                {altered, false},
		"secret, another name":   {b.sign("x11", product+`,"密级":"机密"`, time.Hour), false},
		"a mistyped person":      {b.sign("x12", product+`,"publisher":{"name":"示例","subjectCode":"11010519900307851"}`, time.Hour), false},
		"an ordinary fault":      {b.sign("x10", product+`,"productCode":"691512081MA62K0260E31000000000A0"`, time.Hour), true},
	} {
		if r := b.Submit(t.Context(), c.raw); r.Status != vocab.Refused {
			t.Errorf("%s: %s", name, text(r))
			continue
		}
		item := b.kept(vocab.DigestOf(c.raw))
		if (len(item.Document) > 0) != c.kept || (item.ID != "") != c.kept {
			t.Errorf("%s: kept %d bytes of %q; wanted: %v (%v)", name, len(item.Document), item.ID, c.kept, item.Problems)
		}
	}
}

// kept waits until the refusal is written.
func (b *bench) kept(d vocab.Digest) Quarantined {
	b.t.Helper()
	for range 500 {
		items, err := b.Quarantine(b.t.Context(), 0, 100)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, item := range items {
			if item.Digest == d {
				return item
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.t.Fatalf("%s is not in the quarantine", d)
	return Quarantined{}
}

// With nobody to say who may read what, no receipt of an entry goes out.
func TestReceiptsFailClosed(t *testing.T) {
	b := newBench(t)
	raw := b.sign("a", product, time.Hour)
	b.Submit(t.Context(), raw)
	question := fmt.Appendf(nil, `{"digests":[%q]}`, vocab.DigestOf(raw))
	token := bus.SpaceToken(b.key.DID())
	if a := b.receipts(token, question); len(a.Receipts) != 1 {
		t.Errorf("allowed: %+v", a)
	}
	if a := b.receipts("z6Mkother", question); len(a.Receipts) != 0 {
		t.Errorf("another's: %+v", a)
	}
	b.c.MayRead = nil
	if a := b.receipts(token, question); len(a.Receipts) != 0 || len(a.Problems) != 0 {
		t.Errorf("nobody says who may: %+v", a)
	}
}
