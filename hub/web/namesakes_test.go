package web

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"lianmu/hub/access"
	"lianmu/hub/peering"
	"lianmu/vocab"
)

// Of very many hubs a page shows some, with links to the rest.
func TestManyPeers(t *testing.T) {
	w := peerTown(t)
	for i := range 260 {
		p := w.peers[2]
		p.DID = fmt.Sprint("did:key:zMany", i)
		if p.State = peering.Waiting; i >= 60 {
			p.State = peering.Approved
		}
		p.About = &vocab.LogCard{Name: vocab.Text{"zh": fmt.Sprintf("第%d号节点", i)}}
		w.peers = append(w.peers, p)
	}
	for i := range 70 {
		l := w.loose[0]
		l.Hub, l.Origin = fmt.Sprint("did:key:zGone", i), fmt.Sprintf("lianmu/zGone%d/1", i)
		w.loose = append(w.loose, l)
	}
	p := w.officer(access.Audit)
	_, body, _ := p.get("/peers")
	holds(t, "first", body, []string{"61 个节点等待批准", "第18号节点", "第 1–20 个，共 61 个", `href="/peers?waiting=20#waiting"`, "第77号节点", "第 1–20 个，共 202 个", `href="/peers?peers=20#peers"`,
		"lianmu/zGone18/1", `href="/peers?loose=20#loose"`}, []string{"第19号节点", "第78号节点", "zGone19/1"})
	_, body, _ = p.get("/peers?waiting=60&peers=200&loose=60")
	holds(t, "last", body, []string{"第59号节点", "第 61–61 个", "第259号节点", "第 201–202 个", "zGone69/1", `href="/peers#waiting"`, `href="/peers#peers"`}, []string{"第58号节点", "第257号节点", `rel="next"`})
	for _, odd := range []string{"-1", "x", "999999999999999999999", "262"} {
		if code, body, _ := p.get("/peers?peers=" + odd); code != 200 || !strings.Contains(body, "第 1–20 个") {
			t.Errorf("%q: %d", odd, code)
		}
	}
}

// A hub that takes another's name, or one that the eye takes for it, is told apart
// from it wherever an officer could take it for that.
func TestNamesakes(t *testing.T) {
	w := peerTown(t)
	good, late := w.peers[0], &w.peers[2]
	about := *late.About
	about.Name = vocab.Text{"zh": "航运 物流行业目錄節點"}
	late.About, w.preview.Peer = &about, about
	p := w.officer(access.Security)
	end := func(did string) string { return `<bdi class="tail">…` + did[len(did)-8:] + "</bdi>" }
	_, body, _ := p.get("/peers")
	holds(t, "all", body, []string{end(good.DID), end(late.DID), "与其他节点同名"}, []string{end(w.peers[1].DID)})
	warning := []string{"另有节点使用相同或极易混淆的名称", end(good.DID), good.Words.ZH, "以指纹为准"}
	for _, path := range []string{peerURL(late.DID), peerActURL("approve", late.DID, "")} {
		_, body, _ = p.get(path)
		holds(t, path, body, warning, nil)
	}
	_, body, _ = p.submit("/peers/add", "/peers/add", url.Values{"card": {"{}"}})
	holds(t, "adding it", body, warning, nil)
	for i := range 30 { // very many of them
		another := *late
		another.DID = fmt.Sprint("did:key:zAnother", i)
		w.peers = append(w.peers, another)
	}
	_, body, _ = p.get(peerURL("did:key:zAnother7"))
	holds(t, "one of many", body, append(warning, "另有 21 个未列出"), nil)
	late = &w.peers[2]
	if _, body, _ = p.get(peerURL(w.peers[1].DID)); strings.Contains(body, "另有节点使用相同") {
		t.Error("a hub whose name is its own")
	}
	// Nor may it be called as this hub is.
	about.Name = vocab.Text{"en": "shanghai  HUB"}
	_, body, _ = p.get(peerURL(late.DID))
	holds(t, "as this hub", body, []string{"上海市目录节点", end(w.hub.DID()), `<span class="kind">本节点</span>`}, nil)
	// Whom a log is of is told apart for everybody.
	s := threeLogs()
	s.coverage[1].Name = s.coverage[0].Name
	_, body, _ = get(t, pages(t, s), "/search?filter=hub:"+url.QueryEscape(portLog), "zh")
	holds(t, "search", body, []string{"上海市目录节点</bdi> <bdi class=\"tail\">…" + ownLog[len(ownLog)-10:], "<bdi>上海市目录节点 …" + portLog[len(portLog)-10:]}, nil)
}

// A card that says something else than the one that was taken is shown beside it, and
// taken as any card is: by looking at it, with the terms as they are.
func TestNewCard(t *testing.T) {
	w := peerTown(t)
	says := *w.peers[0].About
	says.Name, says.Contact = vocab.Text{"zh": "长三角邻域目录节点"}, "mailto:new@peer.example"
	w.peers[0].Says, w.peers[0].Newer = &says, []byte(`{"@type":"Log","name":"<new>"}`)
	p := w.officer(access.Security)
	_, body, _ := p.get("/peers")
	holds(t, "all", body, []string{"换了名片"}, nil)
	_, body, _ = p.get(peerURL(w.peers[0].DID))
	holds(t, "the peer", body, []string{"<h1><bdi>航运物流行业目录节点</bdi>", "对方换了名片", "new@peer.example", "desk@peer.example", "另有节点使用相同", `name="card" value="{&#34;@type&#34;:&#34;Log&#34;,&#34;name&#34;:&#34;&lt;new&gt;&#34;}"`, "核对并接受新名片"}, nil)
	if _, body, _ = w.officer(access.Audit).get(peerURL(w.peers[0].DID)); !strings.Contains(body, "对方换了名片") || strings.Contains(body, "核对并接受") {
		t.Error("an auditor sees it, and takes nothing")
	}
	w.preview.Peer = says
	_, body, _ = p.submit("/peers/add", "/peers/add", url.Values{"card": {string(w.peers[0].Newer)}})
	holds(t, "looked at", body, []string{`value="批复〔2026〕7 号"`, `value="yes" checked`, `value="行业主管部门推荐"`, "它已登记在此"}, nil)
}
