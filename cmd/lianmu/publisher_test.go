package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub/bus"
	"lianmu/hub/bus/bustest"
	"lianmu/vocab"
)

func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// intake answers submissions on a real NATS server as a hub does, as far as a
// publisher can see, and can be told to misbehave.
type intake struct {
	t   *testing.T
	bus *bus.Bus

	mu       sync.Mutex
	arrived  []string // "@id created", in order of arrival
	received map[string]int
	stands   map[string]standing // by space token and content
	atOnce   int
	most     int
	// treat decides what becomes of the nth arrival (from 1) of a document; an
	// empty status is silence. nil: accept everything.
	treat func(id string, nth int) vocab.Receipt
	asked int
}

func startIntake(t *testing.T) *intake {
	t.Helper()
	hub := testKey(t, 99).DID()
	b, err := bus.Start(context.Background(), bus.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler), HubDID: hub, Authenticate: bustest.Authenticate(hub),
	})
	if err != nil {
		t.Fatal(err)
	}
	in := &intake{t: t, bus: b, received: map[string]int{}, stands: map[string]standing{}}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := b.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	for subject, answer := range map[string]func(*nats.Msg){
		bus.SubmitPrefix + "*": in.submit, bus.ReceiptPrefix + "*": in.known,
	} {
		if _, err := b.Conn.Subscribe(subject, func(m *nats.Msg) { go answer(m) }); err != nil {
			t.Fatal(err)
		}
	}
	return in
}

func (in *intake) submit(m *nats.Msg) {
	var doc struct {
		ID    string `json:"@id"`
		Proof struct {
			Created, Expires   time.Time
			VerificationMethod string
		}
	}
	if err := json.Unmarshal(m.Data, &doc); err != nil {
		in.t.Errorf("not JSON arrived: %v", err)
	}
	in.mu.Lock()
	in.atOnce++
	in.most = max(in.most, in.atOnce)
	in.arrived = append(in.arrived, doc.ID+" "+doc.Proof.Created.Format(time.RFC3339Nano))
	in.received[doc.ID]++
	receipt := vocab.Receipt{Status: vocab.Accepted, ID: doc.ID}
	if in.treat != nil {
		receipt = in.treat(doc.ID, in.received[doc.ID])
	}
	if content, err := identity.Content(m.Data); err == nil && receipt.Status == vocab.Accepted {
		in.stands[strings.TrimPrefix(m.Subject, bus.SubmitPrefix)+content.String()] = standing{Log: &vocab.Position{Origin: "x", Index: 1}, Created: doc.Proof.Created, Expires: doc.Proof.Expires}
	}
	in.mu.Unlock()
	time.Sleep(2 * time.Millisecond) // long enough that requests are under way together
	in.mu.Lock()
	in.atOnce--
	in.mu.Unlock()
	if receipt.Status == "" {
		return
	}
	answer, err := json.Marshal(receipt)
	if err != nil {
		in.t.Error(err)
	}
	_ = m.Respond(answer) // the connection may be cut on purpose
}

func (in *intake) known(m *nats.Msg) {
	var q struct{ Contents []vocab.Digest }
	if err := json.Unmarshal(m.Data, &q); err != nil || len(q.Contents) > 1000 {
		in.t.Errorf("bad question: %d contents, %v", len(q.Contents), err)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.asked++
	known := map[string]standing{}
	for _, c := range q.Contents {
		if s, ok := in.stands[strings.TrimPrefix(m.Subject, bus.ReceiptPrefix)+c.String()]; ok {
			known[c.String()] = s
		}
	}
	answer, err := json.Marshal(map[string]any{"known": known})
	if err != nil {
		in.t.Error(err)
	}
	_ = m.Respond(answer)
}

func callerWith(key identity.Signer) caller {
	return caller{Key: key, Now: time.Now, Notice: func(string) {}}
}

func (in *intake) publish(t *testing.T, p *publisher, docs iter.Seq[document]) (*summary, error) {
	t.Helper()
	key := p.Key
	if key == nil {
		key = testKey(t, 0)
	}
	to, err := dial(context.Background(), in.bus.ClientURL(), callerWith(key))
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	sum := newSummary(time.Now)
	p.To, p.Done, p.Now = to, sum.add, time.Now
	if p.Window == 0 {
		p.Window = 64
	}
	if p.GiveUp == 0 {
		p.GiveUp = time.Minute
	}
	err = p.Run(t.Context(), docs)
	return sum, err
}

func testKey(t testing.TB, n int) *identity.Key {
	t.Helper()
	k, err := identity.ImportKey("ed25519", fmt.Sprintf("%064x", n+1))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func docs(texts ...string) iter.Seq[document] {
	return func(yield func(document) bool) {
		for i, text := range texts {
			if !yield(documentAt("test", i+1, []byte(text))) {
				return
			}
		}
	}
}

func numbered(n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf(`{"@id":"urn:n:%d","title":"t"}`, i)
	}
	return texts
}

func TestPublishManyAndAgain(t *testing.T) {
	in := startIntake(t)
	const n = 1200 // more than two batches
	sum, err := in.publish(t, &publisher{Key: testKey(t, 0), Expires: time.Hour, Window: 32}, docs(numbered(n)...))
	if err != nil || sum.Accepted != n || sum.Documents != n {
		t.Fatalf("%+v %v", sum, err)
	}
	if in.most > 32 || in.most < 2 {
		t.Errorf("%d requests at once with a window of 32", in.most)
	}
	// Again, with one document changed and one new: only these are sent.
	in.arrived = nil
	again := append(numbered(n), `{"@id":"urn:new"}`)
	again[7] = `{"@id":"urn:n:7","title":"changed"}`
	sum, err = in.publish(t, &publisher{Key: testKey(t, 0), Expires: time.Hour}, docs(again...))
	if err != nil || sum.Accepted != 2 || sum.Unchanged != n-1 || len(in.arrived) != 2 {
		t.Errorf("%+v %v, arrived %q", sum, err, in.arrived)
	}
	// Signatures that would hold much longer are sent.
	in.arrived = nil
	sum, err = in.publish(t, &publisher{Key: testKey(t, 0), Expires: 2 * time.Hour}, docs(numbered(10)...))
	if err != nil || sum.Unchanged != 0 || len(in.arrived) != 10 {
		t.Errorf("%+v %v, arrived %q", sum, err, in.arrived)
	}
}

func TestPublishRepeatsWhatGotNoAnswer(t *testing.T) {
	in := startIntake(t)
	in.treat = func(id string, nth int) vocab.Receipt {
		if nth < 3 {
			return vocab.Receipt{Status: vocab.Busy, RetryAfterMS: 1}
		}
		return vocab.Receipt{Status: vocab.Accepted, ID: id}
	}
	sum, err := in.publish(t, &publisher{Key: testKey(t, 0)}, docs(numbered(20)...))
	if err != nil || sum.Accepted != 20 || in.received["urn:n:3"] != 3 {
		t.Errorf("%+v %v, received %d", sum, err, in.received["urn:n:3"])
	}
}

func TestPublishThroughARestartOfTheServer(t *testing.T) {
	in := startIntake(t)
	const n = 1500
	var once sync.Once
	cut := make(chan error, 1)
	in.treat = func(id string, _ int) vocab.Receipt {
		if id == "urn:n:300" {
			once.Do(func() { go func() { cut <- in.bus.Restart(context.Background()) }() })
		}
		return vocab.Receipt{Status: vocab.Accepted, ID: id}
	}
	sum, err := in.publish(t, &publisher{Key: testKey(t, 0)}, docs(numbered(n)...))
	if err != nil || sum.Accepted != n || sum.Failed != 0 {
		t.Fatalf("%+v %v", sum, err)
	}
	if err := <-cut; err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if in.received[fmt.Sprintf("urn:n:%d", i)] == 0 {
			t.Fatalf("document %d never arrived", i)
		}
	}
}

func TestPublishGivesUpLoudly(t *testing.T) {
	in := startIntake(t)
	in.treat = func(string, int) vocab.Receipt { return vocab.Receipt{} } // silence
	to, err := dialNATS(context.Background(), in.bus.ClientURL(), callerWith(testKey(t, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	// An attempt waits longer than this test should: here each ends at once.
	sum := newSummary(time.Now)
	p := &publisher{To: impatient{to}, Key: testKey(t, 0), Window: 4, GiveUp: 50 * time.Millisecond, Now: time.Now, Done: sum.add}
	err = p.Run(t.Context(), docs(numbered(100)...))
	if err == nil || sum.Failed == 0 || sum.Failed != sum.Documents || sum.Documents >= 100 {
		t.Errorf("%+v %v", sum, err)
	}
	if len(sum.Refusals) == 0 || sum.Refusals[0].Status != "failed" || len(sum.Refusals[0].Problems) == 0 {
		t.Errorf("failures are not listed: %+v", sum.Refusals)
	}
}

// TestPublishToAHubThatTakesNothing: the reason is told, once, and the run ends
// with it after GiveUp without a receipt.
func TestPublishToAHubThatTakesNothing(t *testing.T) {
	in := startIntake(t)
	in.treat = func(id string, _ int) vocab.Receipt {
		if id == "urn:n:0" {
			return vocab.Receipt{Status: vocab.Accepted, ID: id}
		}
		return vocab.Receipt{Status: vocab.Busy, RetryAfterMS: 20, Problems: vocab.Problems{vocab.NewProblem("", "hub.read_only", "账本只读", "the log is read-only")}}
	}
	var told []string
	var mu sync.Mutex
	p := &publisher{Key: testKey(t, 0), Window: 4, GiveUp: 300 * time.Millisecond, Tell: func(reason string) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, reason)
	}}
	sum, err := in.publish(t, p, docs(numbered(100)...))
	if err == nil || !strings.Contains(err.Error(), "the log is read-only") || sum.Accepted != 1 || sum.Failed == 0 || sum.Documents >= 100 {
		t.Errorf("%+v %v", sum, err)
	}
	for _, r := range sum.Refusals {
		if !strings.Contains(sayProblems(r.Problems), "the log is read-only") {
			t.Errorf("%+v", r)
		}
	}
	told = slices.DeleteFunc(told, func(s string) bool { return s == "" })
	if len(told) == 0 || len(told) > 2 || told[0] != "the log is read-only" {
		t.Errorf("told %q", told)
	}
	// The program says so and ends with 1.
	key := filepath.Join(t.TempDir(), "space.key")
	if err := testKey(t, 1).Write(key); err != nil {
		t.Fatal(err)
	}
	code, out, errs := runCLI(t, "", "publish", "--hub", in.bus.ClientURL(), "--key", key, "--give-up", "200ms", writeFile(t, "a.json", `{"@id":"urn:a"}`))
	if code != 1 || !strings.Contains(out, "failed") || !strings.Contains(errs, "takes nothing at present: the log is read-only") || !strings.Contains(errs, "not finished") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

// TestBusyHubAtWorkIsWaitedFor: receipts in between show that the hub is at
// work, however long one document has to wait.
func TestBusyHubAtWorkIsWaitedFor(t *testing.T) {
	p := &patience{giveUp: time.Hour}
	if left, err := p.busy(nil); left <= 0 || err != nil {
		t.Fatal(left, err)
	}
	p.since = p.since.Add(-59 * time.Minute)
	p.served()
	if left, err := p.busy(nil); left < 59*time.Minute || err != nil {
		t.Errorf("%v %v after a receipt", left, err)
	}
	p.since = p.since.Add(-time.Hour)
	if left, err := p.busy(nil); left > 0 || err == nil {
		t.Errorf("%v %v after an hour of busy", left, err)
	}
}

// impatient waits 10 ms for an answer.
type impatient struct{ *natsSender }

func (s impatient) Submit(ctx context.Context, raw []byte) (vocab.Receipt, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	return s.natsSender.Submit(ctx, raw)
}

// TestVersionsArriveInOrder: versions of one @id arrive in the order of the
// input and are created in that order, whatever else is under way, also where
// a content comes back that stood before.
func TestVersionsArriveInOrder(t *testing.T) {
	in := startIntake(t)
	key := testKey(t, 0)
	var texts []string
	for v := range 40 {
		for id := range 5 {
			texts = append(texts, fmt.Sprintf(`{"@id":"urn:n:%d","title":"%d"}`, id, v%3))
		}
	}
	sum, err := in.publish(t, &publisher{Key: key, Expires: time.Hour}, docs(texts...))
	if err != nil || sum.Accepted != uint64(len(texts)) {
		t.Fatalf("%+v %v", sum, err)
	}
	last := map[string]string{}
	for _, a := range in.arrived {
		id, created, _ := strings.Cut(a, " ")
		if created <= last[id] && len(created) == len(last[id]) {
			t.Errorf("%s: created %s arrived after %s", id, created, last[id])
		}
		last[id] = created
	}
}

func TestSignedDocumentsAreSentAsTheyAre(t *testing.T) {
	in := startIntake(t)
	own, other := testKey(t, 0), testKey(t, 1)
	signed := identitytest.Sign(t, `{ "@id" : "urn:signed" }`, other, identity.SignOptions{Created: time.Now()})
	var seen []byte
	var subject string
	sub, err := in.bus.Conn.Subscribe(bus.SubmitPrefix+"*", func(m *nats.Msg) {
		in.mu.Lock()
		defer in.mu.Unlock()
		seen, subject = m.Data, m.Subject
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	last := func() (string, string) {
		in.mu.Lock()
		defer in.mu.Unlock()
		return string(seen), subject
	}
	if sum, err := in.publish(t, &publisher{Key: own, Resign: true}, docs(string(signed))); err != nil || sum.Accepted != 1 {
		t.Fatalf("%+v %v", sum, err)
	}
	if data, subject := last(); subject != bus.SubmitPrefix+bus.SpaceToken(own.DID()) || !strings.Contains(data, own.DID()) || strings.Contains(data, other.DID()) {
		t.Errorf("signed anew, sent on %s: %s", subject, data)
	}
	if sum, err := in.publish(t, &publisher{}, docs(string(signed))); err != nil || sum.Accepted != 1 {
		t.Fatalf("%+v %v", sum, err)
	}
	if data, subject := last(); data != string(signed) || subject != bus.SubmitPrefix+bus.SpaceToken(own.DID()) {
		t.Errorf("sent on %s: %s", subject, data)
	}
	// Without a key an unsigned document is refused here, with what to do.
	sum, err := in.publish(t, &publisher{}, docs(`{"@id":"urn:unsigned"}`))
	if err != nil || sum.Refused != 1 || sum.Refusals[0].Problems[0].Code != "proof.missing" {
		t.Errorf("%+v %v", sum, err)
	}
	// A document may claim anything as its signer; the connection survives it.
	odd := fmt.Sprintf(`{"@id":"urn:odd","proof":{"verificationMethod":%q}}`, "did:key:"+strings.Repeat("z", 5000)+"#z")
	if sum, err := in.publish(t, &publisher{}, docs(odd, string(signed))); err != nil || sum.Accepted != 2 {
		t.Errorf("%+v %v", sum, err)
	}
}

func TestRefusalsAreListedAndWritten(t *testing.T) {
	in := startIntake(t)
	in.treat = func(id string, _ int) vocab.Receipt {
		if strings.HasSuffix(id, "7") {
			return vocab.Receipt{Status: vocab.Refused, ID: id, Problems: vocab.Problems{vocab.NewProblem("/title", "shape.title", "缺标题", "no title")}}
		}
		return vocab.Receipt{Status: vocab.Accepted, ID: id, Warnings: vocab.Problems{vocab.NewProblem("", "missing.description", "缺描述", "no description")}}
	}
	key := filepath.Join(t.TempDir(), "space.key")
	if err := testKey(t, 0).Write(key); err != nil {
		t.Fatal(err)
	}
	input := writeFile(t, "in.jsonl", strings.Join(numbered(300), "\n")+"\n{oops\n")
	list := filepath.Join(t.TempDir(), "refused.jsonl")
	code, out, _ := runCLI(t, "", "publish", "--hub", in.bus.ClientURL(), "--key", key, "--refused", list, "--json", input)
	var sum summary
	if err := json.Unmarshal([]byte(out), &sum); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if code != 1 || sum.Refused != 31 || sum.Accepted != 270 || sum.WarnedDocuments != 270 || sum.Warnings["missing.description"] != 270 || len(sum.Refusals) != maxListed || sum.Refusals[0].Line != 8 {
		t.Errorf("exit %d, %+v", code, sum)
	}
	raw, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	if len(lines) != 31 {
		t.Fatalf("%d refusals written", len(lines))
	}
	found := slices.ContainsFunc(lines, func(line string) bool {
		var r refusal
		return json.Unmarshal([]byte(line), &r) == nil && r.File == input && r.Line == 18 && r.ID == "urn:n:17" && r.Problems[0].Message["zh"] == "缺标题"
	})
	if !found {
		t.Errorf("urn:n:17 is not in the list: %s", raw)
	}
	// The table says the same to people.
	code, out, _ = runCLI(t, "", "publish", "--hub", in.bus.ClientURL(), "--key", key, "--resign", "--expires", "0", input)
	if code != 1 || !strings.Contains(out, "in.jsonl:8 ") || !strings.Contains(out, "in.jsonl:198 ") || strings.Contains(out, "in.jsonl:208 ") || !strings.Contains(out, "--refused") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

func TestWithdraw(t *testing.T) {
	in := startIntake(t)
	in.treat = func(id string, _ int) vocab.Receipt {
		if id == "urn:gone" {
			return vocab.Receipt{Status: vocab.Refused, ID: id, Problems: vocab.Problems{vocab.NewProblem("", "x", "没有", "there is none")}}
		}
		return vocab.Receipt{Status: vocab.Accepted, ID: id, Log: &vocab.Position{Index: 41}}
	}
	key := filepath.Join(t.TempDir(), "space.key")
	if err := testKey(t, 0).Write(key); err != nil {
		t.Fatal(err)
	}
	code, out, _ := runCLI(t, "", "withdraw", "--hub", in.bus.ClientURL(), "--key", key, "urn:a")
	if code != 0 || !strings.Contains(out, "urn:a") || !strings.Contains(out, "41") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if code, out, _ = runCLI(t, "", "withdraw", "--hub", in.bus.ClientURL(), "--key", key, "--deregister", "urn:a", "urn:gone"); code != 1 {
		t.Errorf("exit %d\n%s", code, out)
	}
}

func TestHubUnreachable(t *testing.T) {
	key := filepath.Join(t.TempDir(), "space.key")
	if err := testKey(t, 0).Write(key); err != nil {
		t.Fatal(err)
	}
	code, _, errs := runCLI(t, `{}`, "publish", "--hub", "nats://127.0.0.1:1", "--key", key, "-")
	if code != 2 || !strings.Contains(errs, "127.0.0.1:1") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if code, _, errs = runCLI(t, `{}`, "publish", "--hub", "nats://127.0.0.1:1", "-"); code != 2 || !strings.Contains(errs, "--key") {
		t.Errorf("exit %d: %s", code, errs)
	}
	code, _, errs = runCLI(t, `{}`, "publish", "--hub", "ftp://x", "-")
	if code != 2 || !strings.Contains(errs, "nats://") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// runCLI runs the program in process.
func runCLI(t *testing.T, stdin string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e strings.Builder
	code = run(t.Context(), args, &streams{In: strings.NewReader(stdin), Out: &o, Err: &e, Now: time.Now})
	return code, o.String(), e.String()
}

func TestInterrupted(t *testing.T) {
	in := startIntake(t)
	ctx, cancel := context.WithCancel(context.Background())
	in.treat = func(id string, _ int) vocab.Receipt {
		if id == "urn:n:50" {
			cancel()
		}
		return vocab.Receipt{Status: vocab.Accepted, ID: id}
	}
	to, err := dial(ctx, in.bus.ClientURL(), callerWith(testKey(t, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	sum := newSummary(time.Now)
	p := &publisher{To: to, Key: testKey(t, 0), Window: 8, GiveUp: time.Minute, Now: time.Now, Done: sum.add}
	err = p.Run(ctx, docs(numbered(5000)...))
	if !errors.Is(err, context.Canceled) || sum.Accepted == 0 || sum.Documents >= 5000 {
		t.Errorf("%+v %v", sum, err)
	}
}
