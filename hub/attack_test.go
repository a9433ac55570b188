package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/identity"
	"lianmu/hub/bus"
	"lianmu/hub/bus/bustest"
	"lianmu/hub/hubtest"
	"lianmu/hub/intake"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// another is a second space with a connection of its own to the same hub.
func (r *running) another() *running {
	r.t.Helper()
	o := &running{t: r.t, hub: r.hub, info: r.info}
	var err error
	if o.key, err = identity.NewKey("ed25519"); err != nil {
		r.t.Fatal(err)
	}
	o.conn = bustest.Connect(r.t, r.info.NATS, r.info.DID, o.key)
	return o
}

func (r *running) must(doc string) ([]byte, vocab.Receipt) {
	r.t.Helper()
	raw := r.sign(doc)
	receipt := r.submit(raw)
	if receipt.Status != vocab.Accepted {
		r.t.Fatalf("%s: %+v", doc, receipt)
	}
	return raw, receipt
}

// Digests of all entries are public in the leaf records: with them alone nobody
// learns anything of what is not public; over NATS, where a space asks for its
// own, nothing of another's at all.
func TestReceiptsFollowOneRule(t *testing.T) {
	r := start(t, hubtest.Config(t, t.TempDir()))
	thief := r.another()
	refused := r.sign(offering("r", "标识码有误", `"productCode":"691512081MA62K0260E31000000000A0"`))
	r.submit(refused)
	docs, taken := map[string]bool{}, map[string]bool{} // bytes, or id → anybody may have the receipt
	for more, open := range map[string]bool{"": true, `"securityLevel":"002"`: false, `"securityLevel":"003"`: false, `"audience":"space"`: false} {
		extra := []string{}
		if more != "" {
			extra = append(extra, more)
		}
		id := "o" + fmt.Sprint(len(docs))
		raw, _ := r.must(offering(id, "港口数据", extra...))
		docs[string(raw)], taken[id] = open, open
	}
	// What says that an offering is gone is for whom the offering was; what was
	// refused is its space's alone.
	for id, open := range taken {
		docs[string(r.mustTakeDown(id))] = open
	}
	docs[string(refused)] = false
	for raw, open := range docs {
		d := vocab.DigestOf([]byte(raw))
		ask, _ := json.Marshal(intake.ReceiptRequest{Digests: []vocab.Digest{d}})
		receipts := func(of *running) (answer intake.ReceiptAnswer) {
			of.ask(bus.ReceiptPrefix+bus.SpaceToken(of.key.DID()), ask, &answer)
			return answer
		}
		for range 200 { // a refusal is filed a moment after its receipt
			if len(receipts(r).Receipts) == 1 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		own, others := receipts(r), receipts(thief)
		status := r.get("/api/v1/submissions/"+d.String(), nil)
		if len(own.Receipts) != 1 || len(others.Receipts) > 0 || (status == http.StatusOK) != open {
			t.Errorf("%s\nits own %+v, another's %+v, over HTTP %d; anybody may have it: %v", raw, own.Receipts, others.Receipts, status, open)
		}
	}
}

// Over NATS a space finds its own inner offerings, and nobody else's.
func TestSearchOverNATSShowsOnesOwn(t *testing.T) {
	r := start(t, hubtest.Config(t, t.TempDir()))
	other := r.another()
	r.must(offering("hidden", "港口内部数据", `"audience":"space"`))
	r.must(offering("shown", "港口公开数据"))
	for range 500 {
		var own, others view.Answer
		r.ask(bus.Search, []byte(`{"q":"港口","facets":["kind"]}`), &own)
		other.ask(bus.Search, []byte(`{"q":"港口","facets":["kind"]}`), &others)
		if own.Total == 2 && others.Total == 1 {
			return
		}
		if others.Total > 1 {
			t.Fatalf("another space finds %+v", others.Hits)
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("a space does not find its own inner offering over NATS")
}

func (r *running) mustTakeDown(id string) []byte {
	raw, _ := r.must(removal("Withdrawal", id))
	return raw
}

// costly is a description that takes long to read; the blanks make its bytes,
// not its meaning, another each time.
func costly(id string) string {
	words := make([]string, 85)
	for i := range words {
		words[i] = fmt.Sprintf(`{"@context":["https://w3id.org/lianmu/v1",{"q%d":"http://x/"}],"@value":"词%d"}`, i, i)
	}
	return offering(id, "很费时间的产品", `"keyword":[`+strings.Join(words, ",")+`]`)
}

// A flood of costly documents delays who sends it. Another's submission waits
// for what is being worked on, not for the flood.
func TestAFloodDelaysItsSender(t *testing.T) {
	r := start(t, hubtest.Config(t, t.TempDir()))
	victim := r.another()
	signed := r.sign(costly("flood"))
	const n = 40
	var answered atomic.Int64
	inbox := r.conn.NewInbox()
	all := make(chan struct{})
	sub, err := r.conn.Subscribe(inbox, func(*nats.Msg) {
		if answered.Add(1) == n {
			close(all)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	for i := range n {
		// A blank more each: no two are the same bytes, all are validly signed.
		raw := append(bytes.Repeat([]byte(" "), i), signed...)
		if err := r.conn.PublishRequest(bus.SubmitPrefix+bus.SpaceToken(r.key.DID()), inbox, raw); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		victim.must(offering(fmt.Sprint(i), "别家的产品"))
	}
	if got := answered.Load(); got > n/2 {
		t.Errorf("%d of a flood of %d went before five submissions of another space", got, n)
	}
	<-all
}

// Costly questions of one client do not keep another waiting, and it is told
// that it asks too much.
func TestSearchesTakeTurns(t *testing.T) {
	r := start(t, hubtest.Config(t, t.TempDir()))
	other := r.another()
	r.must(offering("a", "新能源汽车充电桩分布"))
	r.level()
	const n = 2000
	var busy, found atomic.Int64
	var all sync.WaitGroup
	all.Add(n)
	inbox := r.conn.NewInbox()
	sub, err := r.conn.Subscribe(inbox, func(m *nats.Msg) {
		defer all.Done()
		var a struct {
			Total    uint64
			Problems vocab.Problems
		}
		switch err := json.Unmarshal(m.Data, &a); {
		case err != nil:
			t.Error(err)
		case a.Total == 1:
			found.Add(1)
		case len(a.Problems) == 1 && a.Problems[0].Code == "busy" && a.Problems[0].Message["zh"] != "":
			busy.Add(1)
		default:
			t.Errorf("answered %s", m.Data)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe()
	for range n {
		if err := r.conn.PublishRequest(bus.Search, inbox, []byte(`{"q":"充电桩","facets":["all"]}`)); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	if busy.Load() == 0 || found.Load() == 0 {
		t.Errorf("%d answered, %d told to come back", found.Load(), busy.Load())
	}
	for range 200 { // its address has its rate back in a moment
		var a view.Answer
		other.ask(bus.Search, []byte(`{"q":"充电桩"}`), &a)
		if a.Total == 1 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("another client is not answered")
}

// What NATS is asked is read strictly: a typing error never looks like an
// answer, and the reason is whole in both languages.
func TestQuestionsOverNATSAreStrict(t *testing.T) {
	r := start(t, hubtest.Config(t, t.TempDir()))
	receipt := bus.ReceiptPrefix + bus.SpaceToken(r.key.DID())
	for _, c := range []struct{ subject, body, code string }{
		{bus.Search, `{"foo":1}`, "request.json"},
		{bus.Search, `{"q":"a","q":"b"}`, "request.json"},
		{bus.Search, `{"Q":"a"}`, "request.json"},
		{bus.Search, `{"q":"a"} {}`, "request.json"},
		{bus.Search, `{"q":`, "request.json"},
		{bus.Search, "{\"q\":\"\xff\"}", "request.json"},
		{bus.Search, `{"cursor":"made-up"}`, "index.cursor"},
		{bus.Search, strings.Repeat(" ", 16<<10+1), "request.size"},
		{receipt, `{"digest":[]}`, "request.json"},
		{receipt, `{"digests":[],"digests":[]}`, "request.json"},
		{receipt, `{"digests":["zz"]}`, "request.json"},
		{receipt, ``, "request.json"},
		{receipt, strings.Repeat(" ", 128<<10+1), "request.size"},
	} {
		var a struct{ Problems vocab.Problems }
		r.ask(c.subject, []byte(c.body), &a)
		if len(a.Problems) != 1 || a.Problems[0].Code != c.code {
			t.Errorf("%.60s: %+v", c.body, a.Problems)
			continue
		}
		for lang, m := range a.Problems[0].Message {
			if strings.Contains(m, "%!") {
				t.Errorf("%.60s: broken in %s: %s", c.body, lang, m)
			}
		}
	}
}

// Whoever copies an @id or a code does not take it over, whatever dates it gives.
func TestNamesStayWithWhoPublishedFirst(t *testing.T) {
	r := start(t, hubtest.Config(t, t.TempDir()))
	thief := r.another()
	const code = "691512081MA62K0260E31000000000A*"
	r.must(offering("a", "真的", `"productCode":"`+code+`"`, `"modified":"2026-01-01"`))
	for i := range 120 { // more than a page of them
		thief.must(offering(fmt.Sprint("fake", i), "假的", `"productCode":"`+code+`"`, fmt.Sprintf(`"modified":"2025-01-01T00:00:%02dZ"`, i%60)))
	}
	thief.must(offering("a", "假的", `"productCode":"`+code+`"`, `"modified":"2026-11-01"`))
	check := func(when, title string) {
		t.Helper()
		r.level()
		for _, id := range []string{"https://space.example/a", code} {
			var d view.Detail
			if status := r.get("/api/v1/offerings?id="+url.QueryEscape(id), &d); status != http.StatusOK || d.Offering.Title["zh"] != title {
				t.Errorf("%s: %s is %d, %+v", when, id, status, d.Offering)
			}
		}
		resp, err := http.Post(r.info.HTTP+"/ndi/v1/catalog/detail", "application/json", strings.NewReader(`{"productId":"`+code+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var body bytes.Buffer
		if _, err := body.ReadFrom(resp.Body); err != nil || !strings.Contains(body.String(), title) {
			t.Errorf("%s: NDI says %s, %v", when, &body, err)
		}
	}
	check("copied", "真的")
	r.must(offering("a", "真的新版", `"productCode":"`+code+`"`, `"modified":"2024-01-01"`))
	check("changed by its owner", "真的新版")
}
