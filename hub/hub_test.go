package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub"
	"lianmu/hub/bus"
	"lianmu/hub/bus/bustest"
	"lianmu/hub/hubtest"
	"lianmu/hub/intake"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// running is a hub with a space that publishes to it.
type running struct {
	t    *testing.T
	hub  *hub.Hub
	stop func() // where it was started for this one
	info hub.Info
	key  *identity.Key
	conn *nats.Conn
	at   identity.Stamp
}

func start(t *testing.T, c hub.Config) *running {
	t.Helper()
	r := run(t, c)
	var err error
	if r.key, err = identity.ImportKey("ed25519", strings.Repeat("07", 32)); err != nil {
		t.Fatal(err)
	}
	r.conn = bustest.Connect(t, r.info.NATS, r.info.DID, r.key)
	return r
}

// run starts a hub for whoever has a key of his own.
func run(t *testing.T, c hub.Config) *running {
	t.Helper()
	h, stop := hubtest.Start(t, c)
	return &running{t: t, hub: h, stop: stop, info: h.Info()}
}

func (r *running) sign(doc string) []byte {
	r.t.Helper()
	return identitytest.Sign(r.t, doc, r.key, identity.SignOptions{Created: r.at.Next(time.Now()), Expires: time.Now().Add(24 * time.Hour)})
}

func (r *running) submit(raw []byte) vocab.Receipt {
	r.t.Helper()
	var receipt vocab.Receipt
	r.ask(bus.SubmitPrefix+bus.SpaceToken(r.key.DID()), raw, &receipt)
	return receipt
}

func (r *running) ask(subject string, raw []byte, answer any) {
	r.t.Helper()
	m, err := r.conn.Request(subject, raw, 10*time.Second)
	if err != nil {
		r.t.Fatalf("%s: %v", subject, err)
	}
	if err := json.Unmarshal(m.Data, answer); err != nil {
		r.t.Fatalf("%s answered %s: %v", subject, m.Data, err)
	}
}

func (r *running) get(path string, answer any) int { return r.getAs(nil, path, answer) }

// officer reads the hub's own key.
func (r *running) officer(dir string) *identity.Key {
	r.t.Helper()
	k, err := identity.ReadKey(filepath.Join(dir, "hub.key"))
	if err != nil {
		r.t.Fatal(err)
	}
	return k
}

// getAs asks with a token of a key; nil asks as nobody.
func (r *running) getAs(key *identity.Key, path string, answer any) int {
	r.t.Helper()
	q, err := http.NewRequest(http.MethodGet, r.info.HTTP+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if key != nil {
		token, err := identity.NewToken(key, r.info.DID, time.Now(), time.Minute)
		if err != nil {
			r.t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if answer != nil {
		if err := json.Unmarshal(body, answer); err != nil {
			r.t.Fatalf("%s: %v in %s", path, err, body)
		}
	}
	return resp.StatusCode
}

// level waits until the index has everything that the log has.
func (r *running) level() view.Answer {
	r.t.Helper()
	for range 500 {
		var a view.Answer
		r.get("/api/v1/search?limit=1", &a)
		if c := a.Coverage[0]; c.Indexed == c.LogSize {
			return a
		}
		time.Sleep(20 * time.Millisecond)
	}
	r.t.Fatal("the index does not become level with the log")
	return view.Answer{}
}

func (r *running) search(q string) view.Answer {
	r.t.Helper()
	r.level()
	var a view.Answer
	if code := r.get("/api/v1/search?q="+url.QueryEscape(q), &a); code != http.StatusOK {
		r.t.Fatalf("search %q: status %d", q, code)
	}
	return a
}

func offering(id, title string, more ...string) string {
	return fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@id":"https://space.example/%s","@type":"DataProduct","title":%q%s}`,
		id, title, strings.Join(append([]string{""}, more...), ","))
}

func removal(kind, id string) string {
	return fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@id":"https://space.example/%s","@type":%q}`, id, kind)
}

func TestPublishSearchWithdraw(t *testing.T) {
	r := start(t, hubtest.Config(t, t.TempDir()))
	first := r.sign(offering("a", "上海港集装箱吞吐量", `"description":"每日更新的港口吞吐量统计"`))
	if got := r.submit(first); got.Status != vocab.Accepted || got.Log == nil || got.Log.Index != 0 || len(got.Warnings) == 0 {
		t.Fatalf("receipt %+v", got)
	}
	if got := r.submit(first); got.Status != vocab.Unchanged || got.Log.Index != 0 {
		t.Errorf("repeated: %+v", got)
	}
	if a := r.search("集装箱"); a.Total != 1 || a.Hits[0].Title["zh"] != "上海港集装箱吞吐量" {
		t.Fatalf("search found %+v", a)
	}
	if got := r.submit(r.sign(offering("a", "上海港箱量日报"))); got.Status != vocab.Accepted {
		t.Fatalf("changed: %+v", got)
	}
	if a := r.search("集装箱"); a.Total != 0 {
		t.Errorf("the old version is still found: %+v", a.Hits)
	}
	if got := r.submit(first); got.Status != vocab.Superseded || got.Log.Index != 1 {
		t.Errorf("an older version: %+v", got)
	}
	if got := r.submit(r.sign(removal("Withdrawal", "a"))); got.Status != vocab.Accepted {
		t.Fatalf("withdrawal: %+v", got)
	}
	if a := r.search(""); a.Total != 0 {
		t.Errorf("a withdrawn offering is found")
	}
	path := "/api/v1/offerings/" + url.PathEscape(r.key.DID()) + "/" + url.PathEscape("https://space.example/a")
	if code := r.get(path, nil); code != http.StatusNotFound {
		t.Errorf("detail of a withdrawn offering: status %d", code)
	}
	if got := r.submit(r.sign(offering("a", "上海港箱量日报"))); got.Status != vocab.Accepted {
		t.Fatalf("published again: %+v", got)
	}
	var d view.Detail
	r.search("日报")
	if code := r.get(path, &d); code != http.StatusOK || d.Offering.Title["zh"] != "上海港箱量日报" || d.Position != 3 {
		t.Errorf("detail: status %d, %+v", code, d)
	}
	if got := r.submit(r.sign(removal("Deregistration", "a"))); got.Status != vocab.Accepted {
		t.Fatalf("deregistration: %+v", got)
	}
	if got := r.submit(r.sign(offering("a", "再来一次"))); got.Status != vocab.Refused || got.Problems[0].Code != "offering.deregistered" {
		t.Errorf("after deregistration: %+v", got)
	}
}

func TestSameReceiptOverNATSAndHTTP(t *testing.T) {
	r := start(t, hubtest.Config(t, t.TempDir()))
	good := r.sign(offering("a", "产品"))
	altered := bytes.Replace(r.sign(offering("b", "产品甲")), []byte("产品甲"), []byte("产品乙"), 1)
	for name, raw := range map[string][]byte{
		"accepted before": good, "altered by a byte": altered, "not JSON": []byte("{"), "no proof": []byte(offering("c", "无签名")),
		"wrong check digit": r.sign(offering("d", "标识码有误", `"productCode":"691512081MA62K0260E31000000000A0"`)),
	} {
		if name == "accepted before" {
			r.submit(raw)
		}
		over := r.submit(raw)
		resp, err := http.Post(r.info.HTTP+"/api/v1/submissions", "application/json", bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		var http vocab.Receipt
		if err := json.NewDecoder(resp.Body).Decode(&http); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		a, _ := json.Marshal(over)
		b, _ := json.Marshal(http)
		if !bytes.Equal(a, b) {
			t.Errorf("%s: over NATS\n%s\nover HTTP\n%s", name, a, b)
		}
		if name != "accepted before" && (over.Status != vocab.Refused || len(over.Problems) == 0) {
			t.Errorf("%s: %s", name, a)
		}
	}
}

func TestNobodySpeaksForAnother(t *testing.T) {
	r := start(t, hubtest.Config(t, t.TempDir()))
	raw := r.sign(offering("a", "产品"))
	other := r.another()
	receipt := other.submit(raw)
	if receipt.Status != vocab.Refused || receipt.Problems[0].Code != "subject.space" {
		t.Errorf("another's as its own: %+v", receipt)
	}
	r.submit(raw)
	// The other space's offering of the same @id is another offering.
	receipt = other.submit(other.sign(offering("a", "别家的产品")))
	if a := r.search(""); receipt.Status != vocab.Accepted || a.Total != 2 {
		t.Errorf("%s, %d offerings", receipt.Status, a.Total)
	}
	var answer intake.ReceiptAnswer
	ask, _ := json.Marshal(intake.ReceiptRequest{Digests: []vocab.Digest{vocab.DigestOf(raw)}})
	other.ask(bus.ReceiptPrefix+bus.SpaceToken(other.key.DID()), ask, &answer)
	if len(answer.Receipts) != 0 {
		t.Errorf("another space reads our receipt: %+v", answer.Receipts)
	}
	r.ask(bus.ReceiptPrefix+bus.SpaceToken(r.key.DID()), ask, &answer)
	if len(answer.Receipts) != 1 || answer.Receipts[0].ID != "https://space.example/a" {
		t.Errorf("our own receipt: %+v", answer)
	}
}

func TestForbiddenLevelsAreKeptNowhere(t *testing.T) {
	dir := t.TempDir()
	r := start(t, hubtest.Config(t, dir))
	secret := "绝不外传之标题"
	for i, more := range []string{`"securityLevel":"004"`, `"安全级别":"绝密"`, `"importance":"核心"`, `"密级":"机密"`, `"secrecyLevel":"top secret"`} {
		if got := r.submit(r.sign(offering(fmt.Sprint("s", i), secret, more))); got.Status != vocab.Refused {
			t.Errorf("%s: %+v", more, got)
		}
	}
	if got := r.submit(r.sign(offering("i", "内部资料", `"securityLevel":"002"`))); got.Status != vocab.Accepted {
		t.Errorf("internal: %+v", got)
	}
	if got := r.submit(r.sign(offering("j", "密级写法不明", `"密级":"二级"`))); got.Status != vocab.Accepted || !slices.ContainsFunc(got.Warnings, func(p vocab.Problem) bool { return p.Code == "level.member" }) {
		t.Errorf("a mark that is not understood: %+v", got)
	}
	if a := r.search(""); a.Total != 0 {
		t.Errorf("an internal offering is shown to everybody: %+v", a.Hits)
	}
	path := "/api/v1/offerings/" + url.PathEscape(r.key.DID()) + "/" + url.PathEscape("https://space.example/i")
	if code := r.get(path, nil); code != http.StatusNotFound {
		t.Errorf("detail of an internal offering: status %d", code)
	}
	r.stop()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(secret)) {
			t.Errorf("the body of a refused classified document is in %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRestartAndVerify(t *testing.T) {
	dir := t.TempDir()
	r := start(t, hubtest.Config(t, dir))
	for i := range 50 {
		if got := r.submit(r.sign(offering(fmt.Sprint(i%40), fmt.Sprintf("产品 %d", i)))); got.Status != vocab.Accepted {
			t.Fatalf("%+v", got)
		}
	}
	r.submit(r.sign(removal("Withdrawal", "7")))
	r.submit([]byte("junk"))
	if a := r.level(); a.Total != 39 {
		t.Errorf("%d offerings", a.Total)
	}
	r.stop()

	report, err := hub.Verify(t.Context(), hubtest.Config(t, dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !report.Clean() || report.Log.Size != 51 || report.Folded.Offerings != 39 || len(report.Views) != 2 {
		t.Errorf("report %+v, log %+v", report, report.Log)
	}
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
	r = start(t, hubtest.Config(t, dir))
	if a := r.level(); a.Total != 39 {
		t.Errorf("after the index was deleted: %d offerings", a.Total)
	}
	receipt := "/api/v1/submissions/" + vocab.DigestOf([]byte("junk")).String()
	if code := r.get(receipt, nil); code != http.StatusNotFound {
		t.Errorf("anybody reads a refusal: status %d", code)
	}
	if code := r.getAs(r.officer(dir), receipt, nil); code != http.StatusOK {
		t.Errorf("the refusal was forgotten over a restart: status %d", code)
	}
}

// A hub that is stopped while its index catches up goes on where it was.
func TestStopWhileCatchingUp(t *testing.T) {
	dir := t.TempDir()
	r := start(t, hubtest.Config(t, dir))
	const n = 400
	for i := range n {
		if got := r.submit(r.sign(offering(fmt.Sprint(i), fmt.Sprintf("产品 %d", i)))); got.Status != vocab.Accepted {
			t.Fatalf("%+v", got)
		}
	}
	r.stop()
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		r = start(t, hubtest.Config(t, dir))
		time.Sleep(time.Duration(i) * 8 * time.Millisecond)
		r.stop()
	}
	r = start(t, hubtest.Config(t, dir))
	if a := r.level(); a.Total != n {
		t.Errorf("%d of %d offerings are found", a.Total, n)
	}
}

func TestSearchOverNATS(t *testing.T) {
	r := start(t, hubtest.Config(t, t.TempDir()))
	r.submit(r.sign(offering("a", "新能源汽车充电桩分布")))
	r.level()
	var a view.Answer
	r.ask(bus.Search, []byte(`{"q":"充电桩","facets":["kind"]}`), &a)
	if a.Total != 1 || len(a.Facets["kind"]) != 1 {
		t.Errorf("answer %+v", a)
	}
	var refusal struct{ Problems vocab.Problems }
	r.ask(bus.Search, []byte(`{"filter":["nosuch:x"]}`), &refusal)
	if len(refusal.Problems) != 1 || refusal.Problems[0].Code != "filter.field" {
		t.Errorf("refusal %+v", refusal)
	}
}

func TestExpiredIsNotShown(t *testing.T) {
	r := start(t, hubtest.Config(t, t.TempDir()))
	raw := identitytest.Sign(t, offering("a", "快过期的产品"), r.key, identity.SignOptions{
		Created: time.Now(), Expires: time.Now().Add(2 * time.Second)})
	if got := r.submit(raw); got.Status != vocab.Accepted {
		t.Fatalf("%+v", got)
	}
	if a := r.level(); a.Total != 1 {
		t.Fatalf("%d shown", a.Total)
	}
	for range 200 {
		if r.level().Total == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("the offering is shown after its proof expired")
}
