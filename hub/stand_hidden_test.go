package hub_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub"
	"lianmu/hub/bus"
	"lianmu/hub/bus/bustest"
	"lianmu/hub/intake"
	"lianmu/vocab"
)

// twin is one of two hubs with the same spaces, keys and visible entries; one
// of them has hidden entries too. Its clock is the test's: whatever comes in
// bears the same times in both.
type twin struct {
	*stand
	clock  *atomic.Int64
	spaces map[string]*running
}

func newTwin(t *testing.T, at time.Time, keys map[string]*identity.Key) *twin {
	clock := new(atomic.Int64)
	clock.Store(at.UnixNano())
	w := &twin{clock: clock, spaces: map[string]*running{}, stand: closed(t, func(c *hub.Config) {
		c.Now = func() time.Time { return time.Unix(0, clock.Load()) }
		c.RequestsPerSecond = 1_000_000 // with a clock that stands nothing would come back
	})}
	for _, name := range []string{"甲", "乙", "丙"} { // in this order in both
		w.spaces[name] = &running{t: t, hub: w.hub, info: w.info, key: keys[name], conn: bustest.Connect(t, w.info.NATS, w.info.DID, keys[name])}
	}
	return w
}

// entry is a document of a space, and when it comes in.
type entry struct {
	space  string
	raw    []byte
	at     time.Time
	hidden bool
}

// What is hidden leaves no trace in anything that a hub answers to those from
// whom it is hidden: two hubs, one of which has hidden entries beside what is to
// be seen in both, answer alike. What everybody may know is left aside: how many
// entries the log has, and where in it an entry stands.
func TestStandHiddenLeavesNoTrace(t *testing.T) {
	t.Parallel()
	at := time.Now().Truncate(time.Millisecond)
	keys := map[string]*identity.Key{"甲": identitytest.Key(t), "乙": identitytest.Key(t), "丙": identitytest.Key(t)}
	const code = "691512081MA62K0260E31000000000A*"
	var entries []entry
	add := func(space, doc string, hidden bool) entry {
		t.Helper()
		at = at.Add(10 * time.Millisecond)
		e := entry{space, signedAt(t, keys[space], at, doc), at, hidden}
		entries = append(entries, e)
		return e
	}
	const public, inner = `"audience":"public"`, `"audience":"space"`
	add("甲", offering("same", "港口内部航道水深", inner, `"productCode":"`+code+`"`, `"keyword":["绝密词条"]`), true) // before 乙 has that code
	add("甲", offering("a1", "港口航道公开资料", public, `"description":"航道与泊位"`, `"theme":"交通运输"`), false)
	add("乙", offering("same", "港口吞吐量日报", public, `"productCode":"`+code+`"`, `"theme":"交通运输"`), false)
	for i := range 25 {
		add("甲", offering(fmt.Sprint("hidden", i), fmt.Sprintf("航道水深机密图 berth %d", i), inner, `"description":"暗码描述 quay"`,
			`"keyword":["航道","隐秘词"]`, `"publisher":{"name":"隐名单位"}`, `"theme":"气象"`, `"region":"3100"`), true)
	}
	for i, title := range []string{"航道水深", "Berth occupancy at the quay", "港口气象预报", "泊位与航道", "Quay crane plan"} {
		add([]string{"甲", "乙"}[i%2], offering(fmt.Sprint("v", i), title, public, `"description":"港口 quay"`, `"region":"3100"`), false)
	}
	gone := add("甲", removal("Withdrawal", "hidden3"), true)
	ended := add("甲", removal("Deregistration", "hidden4"), true)
	add("甲", `{"@context":"https://w3id.org/lianmu/v1","@type":"Participant","@id":"urn:p:1","subjectCode":"91512081MA62K0260E","name":"隐名公司"}`, true)
	add("丙", offering("c1", "被暂停空间的内部产品", inner), true)
	add("甲", offering("a1", "港口航道公开资料新版", public, `"theme":"交通运输"`), false)
	// What was to be seen and is not any more.
	was := add("乙", offering("was", "曾经公开的泊位", public), true) // its bytes stay everybody's
	add("乙", offering("was", "曾经公开的泊位", inner), true)
	refused := entry{"甲", signedAt(t, keys["甲"], at, offering("bad", "退回的文件", `"productCode":"691512081MA62K0260E31000000000A0"`)), at, true}

	with, without := newTwin(t, at.Add(-time.Second), keys), newTwin(t, at.Add(-time.Second), keys)
	for _, w := range []*twin{with, without} {
		for _, name := range []string{"甲", "乙", "丙"} {
			r := w.spaces[name]
			if got := r.submit(signedAt(t, r.key, at.Add(-time.Minute), descriptor(r.key.DID(), name+"空间", ""))); got.Status != vocab.Waiting {
				t.Fatalf("%+v", got)
			}
			w.act(r.key.DID(), `{"verb":"Admission"}`)
		}
		for _, e := range entries {
			if e.hidden && w == without {
				continue
			}
			w.clock.Store(e.at.UnixNano())
			if got := w.spaces[e.space].submit(e.raw); got.Status != vocab.Accepted {
				t.Fatalf("%s: %+v", e.raw, got)
			}
		}
		if w == with {
			if got := w.spaces["甲"].submit(refused.raw); got.Status != vocab.Refused {
				t.Fatalf("%+v", got)
			}
		}
		w.clock.Store(at.Add(time.Second).UnixNano())
		w.act(keys["丙"].DID(), `{"verb":"Suspension","reason":"整改"}`)
		w.level()
	}
	if found := with.spaces["甲"].find(keys["甲"], "机密图"); found != 23 {
		t.Fatalf("its own space finds %d of the hidden ones", found)
	}

	var paths []string
	ask := func(format string, args ...string) {
		escaped := make([]any, len(args))
		for i, a := range args {
			escaped[i] = url.QueryEscape(a)
		}
		paths = append(paths, fmt.Sprintf(format, escaped...))
	}
	for _, q := range []string{"", "航道", "水深", "航道水深", "机密图", "绝密词条", `"暗码描述"`, "隐名单位", "berth", "quay -plan", "港口 OR 航道",
		"publisher:隐名单位", "theme:气象", "id:https://space.example/hidden1", "code:" + code, "泊位", "被暂停"} {
		for _, sort := range []string{"relevance", "-modified", "modified", "title", "completeness"} {
			ask("/api/v1/search?facets=all&limit=3&q=%s&sort=%s", q, sort)
		}
		ask("/api/v1/search?limit=2&offset=2&q=%s", q)
		ask("/search?q=%s", q)
	}
	for _, f := range []string{"space:" + keys["甲"].DID(), "space:" + keys["丙"].DID(), "theme:气象", "audience:space", "region:3100", "publisher:隐名单位", "code:" + code} {
		ask("/api/v1/search?facets=all&filter=%s", f)
		ask("/search?filter=%s", f)
	}
	for _, p := range []string{"机", "机密", "绝", "绝密", "隐", "隐名", "航", "航道", "暗", "be", "berth", "泊", "曾", "被"} {
		ask("/api/v1/suggest?q=%s", p)
		ask("/suggest?q=%s", p)
	}
	for _, id := range []string{"https://space.example/hidden1", "https://space.example/hidden3", "https://space.example/same", "https://space.example/was", "https://space.example/c1", "https://space.example/no", code} {
		ask("/api/v1/offerings?id=%s", id)
		ask("/offering?id=%s", id)
		for _, name := range []string{"甲", "乙", "丙"} {
			ask("/api/v1/offerings?id=%s&space=%s", id, keys[name].DID())
			ask("/offering?id=%s&space=%s", id, keys[name].DID())
			ask("/offering?raw=1&id=%s&space=%s", id, keys[name].DID())
		}
	}
	paths = append(paths, "/", "/spaces", "/api/v1/spaces")
	for _, name := range []string{"甲", "丙"} {
		for _, format := range []string{"/space?did=%s", "/api/v1/spaces/%s", "/api/v1/spaces/%s/participants"} {
			ask(format, keys[name].DID())
		}
	}
	for _, e := range append(entries, refused, gone, ended) {
		if e.hidden && string(e.raw) != string(was.raw) {
			paths = append(paths, "/api/v1/submissions/"+vocab.DigestOf(e.raw).String())
		}
	}
	readers := map[string]*identity.Key{"nobody": nil, "another space": keys["丙"], "a stranger": identitytest.Key(t)}
	for who, key := range readers {
		for _, path := range paths {
			a, b := with.told(key, http.MethodGet, path, ""), without.told(key, http.MethodGet, path, "")
			if a != b {
				t.Errorf("%s asks %s and is told, %s", who, path, apart(a, b))
			}
		}
		for path, body := range map[string]string{
			"/ndi/v1/catalog/query":   `{"keywords":"航道","limit":5}`,
			"/ndi/v1/catalog/query#":  `{"keywords":"机密图"}`,
			"/ndi/v1/catalog/detail":  `{"productId":"` + code + `"}`,
			"/ndi/v1/catalog/detail#": `{"productId":"https://space.example/hidden1"}`,
		} {
			path = strings.TrimSuffix(path, "#")
			if a, b := with.told(key, http.MethodPost, path, body), without.told(key, http.MethodPost, path, body); a != b {
				t.Errorf("%s asks %s %s and is told, %s", who, path, body, apart(a, b))
			}
		}
	}
	t.Run("over NATS", func(t *testing.T) {
		for _, q := range []string{"", "航道", "机密图", "隐名单位", "berth"} {
			body, err := json.Marshal(map[string]any{"q": q, "facets": []string{"all"}, "limit": 4})
			if err != nil {
				t.Fatal(err)
			}
			told := func(w *twin) string {
				m, err := w.spaces["丙"].conn.Request(bus.Search, body, 10*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				return w.common(string(m.Data))
			}
			if a, b := told(with), told(without); a != b || !strings.Contains(a, `"total"`) {
				t.Errorf("%s is answered, %s", q, apart(a, b))
			}
		}
		var ask intake.ReceiptRequest
		for _, e := range entries {
			if e.hidden && e.space != "丙" {
				ask.Digests = append(ask.Digests, vocab.DigestOf(e.raw))
			}
		}
		body, err := json.Marshal(ask)
		if err != nil {
			t.Fatal(err)
		}
		var a intake.ReceiptAnswer
		if with.spaces["丙"].ask(bus.ReceiptPrefix+bus.SpaceToken(keys["丙"].DID()), body, &a); len(a.Receipts) > 0 {
			t.Errorf("another space has receipts %+v", a.Receipts)
		}
	})
	t.Run("by digest", func(t *testing.T) {
		for _, e := range append(entries, refused) {
			for who, key := range readers {
				_, body := with.post(key, "/api/v1/documents", `{"digests":["`+vocab.DigestOf(e.raw).String()+`"]}`)
				if given := !strings.Contains(body, `"documents":[null]`); given == e.hidden && string(e.raw) != string(was.raw) {
					t.Errorf("%s asks for %s: %s", who, e.raw, body)
				}
			}
		}
	})
	t.Run("in leaf records", func(t *testing.T) {
		// A leaf record is kind, time and digest: nothing of who or what.
		n := int(with.hub.Info().LogSize)
		with.signed(n)
		leaves := with.leaves(n)
		for _, s := range []string{keys["甲"].DID(), "z6Mk", "hidden", "航道", "机密", "space.example"} {
			if strings.Contains(leaves, s) {
				t.Errorf("leaf records hold %q", s)
			}
		}
	})
}

// apart is where two answers begin to differ.
func apart(a, b string) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	cut := func(s string) string { return strings.ToValidUTF8(s[max(0, i-80):min(len(s), i+200)], "") }
	return fmt.Sprintf("with what is hidden\n…%s…\nwithout\n…%s…", cut(a), cut(b))
}

// find counts what a key finds.
func (r *running) find(key *identity.Key, q string) int {
	r.t.Helper()
	var a struct{ Total int }
	r.getAs(key, "/api/v1/search?q="+url.QueryEscape(q), &a)
	return a.Total
}

// told is status and answer of a request, without what tells hubs apart that
// everybody may know.
func (w *twin) told(key *identity.Key, method, path, body string) string {
	w.t.Helper()
	q := must(w.t)(http.NewRequest(method, w.info.HTTP+path, strings.NewReader(body)))
	q.Header.Set("Content-Type", "application/json")
	token := ""
	if key != nil {
		token = w.bearer(key)
	}
	status, text := w.send(q, token)
	return fmt.Sprint(status, " ", w.common(text))
}

// common is an answer without what tells hubs apart.
func (w *twin) common(text string) string {
	var v any
	if json.Unmarshal([]byte(text), &v) == nil {
		b, err := json.Marshal(plain(v))
		if err != nil {
			w.t.Fatal(err)
		}
		text = string(b)
	}
	tail := w.info.DID[len(w.info.DID)-6:] // the name of a hub that was given none ends so
	for _, s := range []string{w.info.DID, strings.TrimPrefix(w.info.DID, "did:key:"), w.info.HTTP, "节点 " + tail, "hub " + tail, bus.MirrorID(w.info.Origin)[:12]} {
		text = strings.ReplaceAll(text, s, "HUB")
	}
	return positions.ReplaceAllString(text, "N")
}

// positions are what pages say of the log's size and of an entry's place in it.
var positions = regexp.MustCompile(`共 \d+ 条，已索引 \d+ 条|第 \d+ 号记录|<a href="/checkpoint">\d+</a>`)

// plain takes away members that speak of the log's size and of places in it.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			switch name {
			case "coverage", "position", "took_ms", "request_id", "log", "from", "until", "since":
			default:
				out[name] = plain(member)
			}
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, plain(e))
		}
		return out
	}
	return v
}
