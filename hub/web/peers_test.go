package web

import (
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity/identitytest"
	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// peerTown exchanges logs with four hubs: one in good order, one whose log
// contradicts itself, one that waits, and one whose log is only kept.
func peerTown(t testing.TB) *town {
	s := threeLogs()
	s.spaces[0].Log = ownLog
	w := newTown(t, s, func(c *Config) { c.Demo = false })
	good, split, waits, gone := identitytest.Key(t).DID(), identitytest.Key(t).DID(), identitytest.Key(t).DID(), identitytest.Key(t).DID()
	about := func(did, zh, en string) *vocab.LogCard {
		return &vocab.LogCard{Hub: did, Origin: "lianmu/" + strings.TrimPrefix(did, "did:key:") + "/1", Name: vocab.Text{"zh": zh, "en": en}, Addresses: []string{"nats://peer.example:4222", "https://peer.example"},
			Contact: "mailto:desk@peer.example", Jurisdiction: "CN", Retention: 1095, Agreement: vocab.DigestOf([]byte("agreement"))}
	}
	log := func(did string, state peering.LogState) peering.LogInfo {
		l := peering.LogInfo{State: state, Size: 12_000, Offered: 12_345, Lag: 345, LagKnown: true, AgeS: 40, Source: good, Withheld: 12, Redacted: 2}
		l.Mirror = peering.Mirror{Origin: "lianmu/" + strings.TrimPrefix(did, "did:key:") + "/1", Hub: did, State: peering.Current, Heard: today.Add(-40 * time.Second), Added: today.AddDate(0, -1, 0), Card: []byte("{}")}
		return l
	}
	link := &peering.Link{Connected: true, Address: "nats://peer.example:4222", Heard: today.Add(-5 * time.Second), In: 48 << 20, Out: 120 << 10}
	peer := func(did string, state peering.State, card *vocab.LogCard, logs ...peering.LogInfo) peering.PeerInfo {
		return peering.PeerInfo{Peer: peering.Peer{DID: did, Card: []byte(`{"@type":"Log"}`), Addresses: card.Addresses, State: state, Added: today.AddDate(0, -1, 0), By: w.keys[access.Security].DID()},
			Words: peering.Fingerprint(did), About: card, Logs: logs}
	}
	well := peer(good, peering.Approved, about(good, "航运物流行业目录节点", "Shipping industry hub"), log(good, peering.Current))
	link.Error = &peering.Complaint{At: today.Add(-time.Hour), Over: true, Problem: vocab.Problems{vocab.NewProblem("", "peer.slow", "对方太慢", "the other is too slow")}}
	well.Link, well.Asked, well.Note, well.Relays = link, today.Add(-time.Minute), "行业主管部门推荐", true
	well.Important = &peering.Approval{Reason: "批复〔2026〕7 号", By: w.keys[access.Security].DID(), At: today}
	broken := log(split, peering.Stopped)
	broken.Mirror.State, broken.Faulty, broken.Missing, broken.AgeS, broken.LagKnown = peering.Stopped, 120, 3, 3*24*3600, false
	why := vocab.NewProblem("", "log.contradiction", "账本前后矛盾：第 9,000 条以前的树根不同", "the log contradicts itself: the roots differ at 9,000 entries")
	broken.Mirror.Why = &why
	broken.Evidence = [][]byte{[]byte(broken.Origin + "\n9000\nq5cVd0bqq2aF3s9P6n9O0vLQkUeX0p1k6n2sQh7o0aE=\ntime 1763690000\n\n— " + broken.Origin + " 2hEW0Yy1…\n"), []byte(broken.Origin + "\n9000\nZZcVd0bqq2aF3s9P6n9O0vLQkUeX0p1k6n2sQh7o0aE=\ntime 1763690060\n\n— " + broken.Origin + " 2hEW0Yy1…\n")}
	broken.Error = &peering.Complaint{At: today, Problem: vocab.Problems{why}}
	bad := peer(split, peering.Approved, about(split, "长三角邻域目录节点", "Yangtze-delta hub"), broken)
	bad.Link = &peering.Link{Address: "http://192.0.2.9:8080", Error: &peering.Complaint{At: today, Problem: vocab.Problems{vocab.NewProblem("", "peer.unreachable", "连不上 http://192.0.2.9:8080：连接被拒绝", "http://192.0.2.9:8080 cannot be reached: connection refused")}}}
	bad.Plain = true
	abroad := about(waits, "境外目录节点", "Hub abroad")
	abroad.Jurisdiction, abroad.Retention, abroad.Open = "SG", 0, true
	next := log(waits, peering.Offered)
	late := peer(waits, peering.Waiting, abroad)
	w.peers = []peering.PeerInfo{well, bad, late}
	next.Name = vocab.Text{"zh": "航运物流行业节点（新）"}
	next.Hub, next.Origin = good, well.About.Origin[:len(well.About.Origin)-1]+"2"
	kept := log(gone, peering.Stale)
	kept.AgeS = 9 * 24 * 3600
	w.loose = []peering.LogInfo{kept}
	w.peers[0].Logs = append(w.peers[0].Logs, next)
	w.faults = []peering.Fault{
		{Index: 17, Problem: vocab.NewProblem("/proof", "proof.value", "签名与内容不符", "the signature does not fit the content")},
		{Index: 801, Problem: vocab.NewProblem("", "space.right", "这把密钥不是该空间的", "the key is not that space's")}}
	w.card = `{"@type":"Log","@id":"urn:uuid:own"}`
	w.preview = peering.Preview{Peer: *abroad, Words: peering.Fingerprint(waits), Outbound: true, Entries: 31_000, Rows: []peering.PreviewRow{
		{Audience: vocab.AudiencePublic, Level: "001", Label: vocab.Text{"zh": "公开", "en": "Public"}, Offerings: 1234, Leaves: true},
		{Audience: vocab.AudienceSpace, Offerings: 56}}, Notes: vocab.Problems{vocab.NewProblem("", "peer.outbound", "命令行说明", "for the command line"), vocab.NewProblem("", "peer.open", "对方是开放试用节点", "The peer is open")}}
	s.coverage[1].Hub = well.About.Origin
	return w
}

// What everybody sees of the logs held, and what officers alone do.
func TestPeersPage(t *testing.T) {
	w := peerTown(t)
	_, body, _ := w.anybody().get("/peers")
	holds(t, "to anybody", body, []string{"本节点", "上海市目录节点", "航运行业节点", "1,200", "2 天前", "l-ageing", "失联", "未列入", w.peers[0].Words.ZH,
		`href="/search?filter=hub%3A`, `href="/peers/card"`, "电话里逐词核对"}, []string{"等待批准", "往来的节点", "/peers/add", "48.0 MB", "/peer?did", "连不上"})
	for role := range w.keys {
		_, body, _ = w.officer(role).get("/peers?done=purge")
		holds(t, string(role), body, []string{"1 个节点等待批准", "境外目录节点", "往来的节点", "航运物流行业目录节点", "48.0 MB / 120 KB", ">345<", ">—<", "连不上 http://192.0.2.9:8080", "2026-11-21 10:00:00 <span class=\"tag t-level\">已恢复", "已停止", "未连通", "其他账本", "失联",
			strings.ReplaceAll(peerURL(w.peers[1].DID), "&", "&amp;")}, nil)
		for _, acts := range []string{`href="/peers/add"`, "镜像正在清除"} {
			if strings.Contains(body, acts) != role.May(access.PeerManage) {
				t.Errorf("%s: %s is shown wrongly", role, acts)
			}
		}
	}
	p := w.officer(access.Audit)
	p.lang = "en"
	_, body, _ = p.get("/peers")
	holds(t, "in English", body, []string{"Shipping industry hub", w.peers[0].Words.EN, "cannot be reached", "Waiting for approval: 1"}, []string{w.peers[0].Words.ZH})
	code, body, head := w.anybody().get("/peers/card")
	if code != 200 || body != w.card || head.Get("Content-Type") != "application/ld+json" || !strings.HasPrefix(head.Get("Content-Disposition"), "attachment") {
		t.Errorf("the card: %d %v %s", code, head, body)
	}
	w.fail = errors.New("secret /var/x")
	if code, body, _ := p.get("/peers"); code != 503 || strings.Contains(body, "secret") {
		t.Errorf("a fault: %d", code)
	}
}

// Spaces that two hubs claim are told to officers.
func TestDisputedHomes(t *testing.T) {
	var strange strangeRegistry
	strange.claims = []registry.HomeConflict{{Space: citySpace, Name: vocab.Text{"zh": "争议空间"}, Logs: []string{ownLog, portLog}}}
	w := newTown(t, threeLogs(), func(c *Config) { c.Registry = strange })
	_, body, _ := w.officer(access.Audit).get("/peers")
	holds(t, "to an officer", body, []string{"主节点有争议的空间", "争议空间", logURL(portLog)}, nil)
	if _, body, _ := w.anybody().get("/peers"); strings.Contains(body, "争议空间") {
		t.Error("told to anybody")
	}
}

// A hub in full: what was wrong, with both notes and the reasons.
func TestPeerPage(t *testing.T) {
	w := peerTown(t)
	p := w.officer(access.Regulator)
	_, body, _ := p.get(peerURL(w.peers[0].DID))
	holds(t, "a good one", body, []string{"航运物流行业目录节点", "已批准", "已连通", "nats://peer.example:4222", "desk@peer.example", "离开账本后 1095 天", "中国内地", vocab.DigestOf([]byte("agreement")).String(), "批复〔2026〕7 号", "行业主管部门推荐",
		"12,000", "345", "待确认", "出示了另一个账本", w.peers[0].Words.ZH, "已执行我方的删除</dt><dd>3<"}, []string{"/peer/act", "有误的条目（", "1,234"})
	_, body, _ = p.get(peerURL(w.peers[1].DID))
	holds(t, "one that contradicts itself", body, []string{"第 9,000 条以前的树根不同", "q5cVd0bqq2aF3s9P6n9O0vLQkUeX0p1k6n2sQh7o0aE=", "ZZcVd0bqq2aF3s9P6n9O0vLQkUeX0p1k6n2sQh7o0aE=", "此前收到的", "后来收到的", "有误的条目（120）", "签名与内容不符", "<code><bdi>space.right</bdi></code>",
		"只列出前 2 条", "没有使用 TLS", "3 天前", "未连通"}, nil)
	_, body, _ = p.get(peerURL(w.peers[2].DID) + "&preview=1")
	holds(t, "one that waits, previewed", body, []string{"等待批准", "1,234", "完整描述", "只有验证记录", "未写明", "账本共 31,000 条", "对方在境外", "对方是开放试用节点", "SG", "未设期限"}, []string{"命令行说明"})
	_, body, _ = w.officer(access.Security).get(peerURL(w.loose[0].Hub))
	holds(t, "no peer", body, []string{"不是对等节点", "失联", "9 天前", "verb=purge"}, []string{"verb=remove", "verb=approve", "会向它提供什么"})
	w.peers[2].Why = "peer.outbound"
	_, body, _ = w.officer(access.Security).get(peerURL(w.peers[2].DID) + "&done=pause")
	holds(t, "one that moved", body, []string{"此前的批准因此中止", "已暂停。", "verb=approve", "verb=block"}, []string{"verb=pause", "verb=purge"})
	if _, body, _ = p.get(peerURL(w.peers[2].DID) + "&done=pause"); strings.Contains(body, "已暂停。") {
		t.Error("a link makes the page say what nobody did")
	}
	for _, did := range []string{"", "did:key:nobody", strings.Repeat("x", maxQuery+1)} {
		if code, _, _ := p.get(peerURL(did)); code != 404 {
			t.Errorf("%.30q: %d", did, code)
		}
	}
}

// Each act comes to the hub as it is meant, once the box is ticked.
func TestPeerActs(t *testing.T) {
	for _, c := range []struct {
		verb string
		peer int
		form url.Values
		deed string
		then string
	}{
		{"approve", 2, url.Values{"outbound": {"评估〔2026〕3 号"}, "relays": {"yes"}, "note": {"a note"}}, "approve %s {评估〔2026〕3 号  true a note}", "&done=approve"},
		{"pause", 0, nil, "pause %s", "&done=pause"},
		{"resume", 0, nil, "resume %s", "&done=resume"},
		{"block", 2, nil, "block %s", "&done=block"},
		{"remove", 0, nil, "remove %s false", "/peers?done=remove"},
		{"purge", 1, nil, "remove %s true", "/peers?done=purge"},
		{"accept", 1, nil, "accept %o", "&done=accept"},
	} {
		t.Run(c.verb, func(t *testing.T) {
			w := peerTown(t)
			p := w.officer(access.Security)
			did, origin := w.peers[c.peer].DID, ""
			if c.verb == "accept" {
				origin = w.peers[c.peer].Logs[0].Origin
			}
			page := peerActURL(c.verb, did, origin)
			code, body, _ := p.get(page)
			if code != 200 {
				t.Fatalf("%d: %s", code, body)
			}
			holds(t, page, body, []string{did, w.peers[c.peer].Words.ZH, "我已核对", `name="csrf"`}, []string{"[peer", "[preview", "[terms"})
			form := url.Values{"verb": {c.verb}, "did": {did}, "origin": {origin}, "seen": {seenIn(body)}}
			for k, v := range c.form {
				form[k] = v
			}
			if code, body, _ = p.submit(page, "/peer/act", form); code != 400 || !strings.Contains(body, "我已核对”") || len(w.deeds) > 0 {
				t.Fatalf("without the box ticked: %d, %v", code, w.deeds)
			}
			holds(t, "not ticked", body, []string{form.Get("outbound"), form.Get("note")}, nil)
			form.Set("confirm", "yes")
			code, _, head := p.submit(page, "/peer/act", form)
			want := strings.NewReplacer("%s", did, "%o", origin).Replace(c.deed)
			if code != 303 || !strings.HasSuffix(head.Get("Location"), c.then) || !reflect.DeepEqual(w.deeds, []string{want}) {
				t.Errorf("%d, on to %q: %q, want %q", code, head.Get("Location"), w.deeds, want)
			}
			// Not done: said on the page, as it is.
			w.peerFail = vocab.Problems{vocab.NewProblem("", "peer.state", "<b>不行</b>", "<b>no</b>")}
			if code, body, _ = p.submit(page, "/peer/act", form); code != 400 || !strings.Contains(body, "&lt;b&gt;不行") {
				t.Errorf("refused: %d", code)
			}
			w.peerFail = errors.New("secret /var/x")
			if code, body, _ = p.submit(page, "/peer/act", form); code != 503 || strings.Contains(body, "secret") {
				t.Errorf("a fault: %d", code)
			}
		})
	}
}

// seenIn is the digest that a form carries of what it shows.
func seenIn(body string) string {
	_, rest, _ := strings.Cut(body, `name="seen" value="`)
	seen, _, _ := strings.Cut(rest, `"`)
	return seen
}

// A card or evidence that changes between looking and deciding is not decided on;
// nor is a hub abroad approved without a ground.
func TestPeerActsGoByWhatWasSeen(t *testing.T) {
	w := peerTown(t)
	p := w.officer(access.Security)
	page := peerActURL("approve", w.peers[2].DID, "")
	_, body, _ := p.get(page)
	holds(t, page, body, []string{`name="outbound" maxlength="500" value="" required`, "对方在境外"}, nil)
	form := url.Values{"verb": {"approve"}, "did": {w.peers[2].DID}, "seen": {seenIn(body)}, "confirm": {"yes"}}
	if code, body, _ := p.submit(page, "/peer/act", form); code != 400 || !strings.Contains(body, "请写明出境批准的依据") {
		t.Errorf("without a ground: %d", code)
	}
	form.Set("outbound", "x")
	w.peers[2].Card = []byte(`{"@type":"Log","changed":true}`)
	if code, body, _ := p.submit(page, "/peer/act", form); code != 400 || !strings.Contains(body, "有了变化") || seenIn(body) == form.Get("seen") {
		t.Errorf("another card: %d", code)
	}
	page = peerActURL("accept", w.peers[1].DID, w.peers[1].Logs[0].Origin)
	_, body, _ = p.get(page)
	form = url.Values{"verb": {"accept"}, "did": {w.peers[1].DID}, "origin": {w.peers[1].Logs[0].Origin}, "seen": {seenIn(body)}, "confirm": {"yes"}}
	w.peers[1].Logs[0].Evidence[1] = []byte("another note")
	if code, body, _ := p.submit(page, "/peer/act", form); code != 400 || !strings.Contains(body, "another note") {
		t.Errorf("other evidence: %d", code)
	}
	if len(w.deeds) > 0 {
		t.Errorf("done: %v", w.deeds)
	}
	page = peerActURL("accept", w.peers[0].DID, w.peers[0].Logs[1].Origin)
	_, body, _ = p.get(page)
	holds(t, "a new epoch", body, []string{"接受后，节点改称", "航运物流行业节点（新）"}, nil)
	// As it is now is in the form of one that is approved already.
	_, body, _ = p.get(peerActURL("approve", w.peers[0].DID, ""))
	holds(t, "changing the terms", body, []string{`value="批复〔2026〕7 号"`, `value="yes" checked`, `value="行业主管部门推荐"`}, nil)
	for _, page := range []string{"/peer/act", peerActURL("evil", w.peers[0].DID, ""), peerActURL("accept", w.peers[0].DID, "x"), peerActURL("pause", w.loose[0].Hub, ""), peerActURL("pause", "did:key:nobody", "")} {
		if code, _, _ := p.get(page); code != 404 {
			t.Errorf("%s: %d", page, code)
		}
	}
}

// What a form without the session's token would do is not done.
func TestPeerFormsNeedTheirToken(t *testing.T) {
	w := peerTown(t)
	p := w.officer(access.Security)
	for path, form := range map[string]url.Values{
		"/peers/add": {"card": {"{}"}, "step": {"add"}, "outbound": {"x"}, "confirm": {"yes"}},
		"/peer/act":  {"verb": {"purge"}, "did": {w.peers[0].DID}, "confirm": {"yes"}},
	} {
		for _, token := range []string{"", "wrong"} {
			form.Set("csrf", token)
			if code, body, _ := p.post(path, form); code != 403 || !strings.Contains(body, "操作没有执行") {
				t.Errorf("%s with token %q: %d", path, token, code)
			}
		}
		if code, _, _ := w.officer(access.System).submit("/", path, form); code != 403 {
			t.Errorf("%s by a system administrator: %d", path, code)
		}
		if code, _, _ := w.anybody().post(path, form); code != 401 {
			t.Errorf("%s by nobody: %d", path, code)
		}
	}
	if len(w.deeds) > 0 {
		t.Errorf("done: %v", w.deeds)
	}
}

// A peer is added by its card or by its address; what leaves is shown first.
func TestAddPeer(t *testing.T) {
	w := peerTown(t)
	p := w.officer(access.Security)
	_, body, _ := p.get("/peers/add")
	holds(t, "form", body, []string{`name="card"`, `name="address"`, peering.Fingerprint(w.hub.DID()).ZH, "lianmu peer invite"}, []string{`name="confirm"`, "[peer"})
	for card, says := range map[string]string{"": "请粘贴对方的名片", "no card": "这不是有效的&lt;名片&gt;", "{" + strings.Repeat(" ", peering.MaxCard) + "}": "不应超过 16384 字节"} {
		if code, body, _ := p.submit("/peers/add", "/peers/add", url.Values{"card": {card}}); code != 400 || !strings.Contains(body, says) || strings.Contains(body, `name="confirm"`) {
			t.Errorf("%.20q: %d", card, code)
		}
	}
	_, body, _ = p.submit("/peers/add", "/peers/add", url.Values{"card": {` {"a":"<b>"} `}})
	holds(t, "looked at", body, []string{w.preview.Words.ZH, "境外目录节点", "1,234", "它已登记在此", "对方在境外", `name="card" value="{&#34;a&#34;:&#34;&lt;b&gt;&#34;}"`, `name="outbound" maxlength="500" value="" required`}, []string{"您填写的地址不在名片上"})
	form := url.Values{"step": {"add"}, "card": {`{"a":1}`}, "relays": {"yes"}, "important": {"why"}}
	if code, body, _ := p.submit("/peers/add", "/peers/add", form); code != 400 || !strings.Contains(body, "请写明出境批准的依据") {
		t.Errorf("without a ground: %d", code)
	}
	form.Set("outbound", "ground")
	if code, body, _ := p.submit("/peers/add", "/peers/add", form); code != 400 || !strings.Contains(body, "我已核对”") || !strings.Contains(body, `value="ground"`) {
		t.Errorf("not ticked: %d", code)
	}
	form.Set("confirm", "yes")
	code, _, head := p.submit("/peers/add", "/peers/add", form)
	if want := `add {"a":1}  {ground why true }`; code != 303 || head.Get("Location") != peerURL(w.preview.Peer.Hub)+"&done=approve" || len(w.deeds) != 1 || w.deeds[0] != want {
		t.Errorf("%d, on to %q: %q", code, head.Get("Location"), w.deeds)
	}
	// By address: the hub there is asked for its card, once.
	w.deeds = nil
	_, body, _ = p.submit("/peers/add", "/peers/add", url.Values{"address": {"https://peer.example:99"}})
	holds(t, "asked", body, []string{"您填写的地址不在名片上", `name="address" value="https://peer.example:99"`, `name="card" value="{&#34;@type&#34;`}, nil)
	form.Set("card", w.card)
	form.Set("address", "https://peer.example:99")
	w.peerFail = vocab.Problems{vocab.NewProblem("", "peer.many", "太多了", "too many")}
	if code, body, _ := p.submit("/peers/add", "/peers/add", form); code != 400 || !strings.Contains(body, "太多了") {
		t.Errorf("refused: %d", code)
	}
	if got := strings.Join(w.deeds, "\n"); strings.Count(got, "discover") != 1 || !strings.Contains(got, "add "+w.card+" https://peer.example:99") {
		t.Errorf("done: %s", got)
	}
	if code, body, _ := p.submit("/peers/add", "/peers/add", url.Values{"address": {"https://peer.example"}}); code != 400 || !strings.Contains(body, "太多了") {
		t.Errorf("unreachable: %d", code)
	}
}

// Whatever other hubs call themselves, say and sign, no page lets it become markup.
func TestNoFieldOfAPeerBecomesMarkup(t *testing.T) {
	for _, text := range []string{payload, "javascript:alert(1)//" + payload, "https://a.example/\"onmouseover=alert(1)"} {
		s := someShelf()
		var cover view.Coverage
		poison(reflect.ValueOf(&cover), text)
		s.coverage = append(s.coverage, cover)
		var strange strangeRegistry
		poison(reflect.ValueOf(&strange.claims), text)
		strange.state.Space = s.spaces[0].Space
		w := newTown(t, s, func(c *Config) {
			c.Registry = strange
			poison(reflect.ValueOf(&c.Hubs), text)
		})
		for _, v := range []any{&w.peers, &w.loose, &w.faults, &w.preview, &w.card} {
			poison(reflect.ValueOf(v), text)
		}
		w.peers[1].DID, w.peers[1].State = identitytest.Key(t).DID(), peering.Approved
		w.peers[0].State = peering.Waiting
		w.peers[1].Logs[0].State, w.peers[1].Logs[1].State = peering.Stopped, peering.Offered
		did := w.peers[1].DID
		paths := []string{"/peers", "/peers?done=" + url.QueryEscape(text), "/peers/add", peerURL(did) + "&preview=1&done=" + url.QueryEscape(text), peerURL(text), peerURL(w.loose[0].Hub), "/"}
		for _, v := range peerVerbs {
			paths = append(paths, peerActURL(v, did, text), peerActURL(v, text, text))
		}
		seen := 0
		for _, role := range []access.Role{access.Security, access.Audit} {
			p := w.officer(role)
			for _, p.lang = range languages {
				for _, path := range paths {
					code, body, _ := p.get(path)
					if code >= 500 {
						t.Fatalf("%s: %d", path, code)
					}
					if code == 200 {
						seen++
					}
					checkMarkup(t, path, body)
				}
				w.peerFail = vocab.Problems{{Code: "x.y", Path: text, Message: vocab.Text{"zh": text, "en": text}}}
				form := url.Values{"csrf": {w.csrf(p)}, "confirm": {"yes"}, "step": {"add"}, "card": {"{" + text}, "did": {did}, "origin": {text}}
				for _, name := range []string{"address", "outbound", "important", "note", "seen"} {
					form.Set(name, text)
				}
				_, body, _ := p.post("/peers/add", form)
				checkMarkup(t, "/peers/add", body)
				for _, v := range peerVerbs {
					form.Set("verb", v)
					_, body, head := p.post("/peer/act", form)
					checkMarkup(t, "/peer/act", body)
					if to := head.Get("Location"); to != "" && !strings.HasPrefix(to, "/peer") {
						t.Fatalf("leads to %s", to)
					}
				}
				w.peerFail = nil
			}
		}
		if seen < 40 {
			t.Errorf("only %d pages were seen", seen)
		}
	}
}
