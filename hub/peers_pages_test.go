package hub_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"lianmu/hub/view"
)

// hidden is the value of a hidden field of a form.
func hidden(t *testing.T, body, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(body, `type="hidden" name="`+name+`" value="`)
	if !ok {
		t.Fatalf("no hidden field %s in:\n%s", name, body)
	}
	value, _, _ := strings.Cut(rest, `"`)
	return html.UnescapeString(value)
}

// office signs the hub's own key in, on the page.
func (w *town) office() *tab {
	w.t.Helper()
	b := w.tab()
	if code, body := b.open("/session", url.Values{"token": {w.token(w.officer(w.config.Dir))}}); code != http.StatusOK {
		w.t.Fatalf("signing in: %d %s", code, body)
	}
	return b
}

// Two operators make their hubs peers on the pages: one by the other's address, the
// other by the card that it downloaded. What is then found says whose it is; and
// what is paused and purged is gone.
func TestPeersOnPages(t *testing.T) {
	t.Parallel()
	a, b := settle(t, "航运物流行业目录节点", "a1"), settle(t, "上海市目录节点", "b2")
	a.publish("a1", "a2", "a3")
	b.publish("b1")
	b.finds(1, view.Question{}) // so that the preview counts it
	here, there := b.office(), a.office()

	_, body := here.open("/peers/add", nil)
	csrf := hidden(t, body, "csrf")
	code, body := here.open("/peers/add", url.Values{"csrf": {csrf}, "address": {a.info.HTTP}})
	if code != http.StatusOK {
		t.Fatalf("asked for its card: %d %s", code, body)
	}
	says(t, "the card", body, "航运物流行业目录节点", a.info.DID, "会向它提供什么", "中国内地", "完整描述")
	form := url.Values{"csrf": {csrf}, "step": {"add"}, "address": {a.info.HTTP}, "card": {hidden(t, body, "card")}}
	if code, body = here.open("/peers/add", form); code != http.StatusBadRequest {
		t.Fatalf("without the box ticked: %d %s", code, body)
	}
	form.Set("confirm", "yes")
	if code, body = here.open("/peers/add", form); code != http.StatusOK {
		t.Fatalf("not added: %d %s", code, body)
	}
	says(t, "added", body, "已批准。", "航运物流行业目录节点")

	_, body = a.tab().open("/peers", nil)
	says(t, "the other's page for anybody", body, "本节点", "航运物流行业目录节点", "/peers/card")
	code, card := b.tab().open("/peers/card", nil)
	if code != http.StatusOK {
		t.Fatal(code)
	}
	_, body = there.open("/peers/add", nil)
	if code, body = there.open("/peers/add", url.Values{"csrf": {hidden(t, body, "csrf")}, "step": {"add"}, "confirm": {"yes"}, "card": {card}}); code != http.StatusOK {
		t.Fatalf("the other way: %d %s", code, body)
	}

	b.finds(4, view.Question{})
	_, body = b.tab().open("/search?q="+url.QueryEscape("港口"), nil)
	says(t, "a search", body, "共 4 条结果", "本页覆盖 2 个账本", "<bdi>航运物流行业目录节点</bdi>", "<bdi>上海市目录节点</bdi>")
	_, body = b.tab().open("/search?filter="+url.QueryEscape("hub:"+a.info.Origin), nil)
	says(t, "of one hub", body, "共 3 条结果")
	_, body = b.tab().open("/offering?"+url.Values{"space": {a.key.DID()}, "id": {"https://space.example/a1"}}.Encode(), nil)
	says(t, "an offering", body, "产品a1港口吞吐量", "航运物流行业目录节点", a.info.Origin)
	_, body = here.open("/space?"+url.Values{"did": {a.key.DID()}}.Encode(), nil)
	says(t, "a space", body, "在架条目（3）", "<dt>目录节点</dt>")
	if strings.Contains(body, "/space/act") {
		t.Error("a space that is at home elsewhere is decided on here")
	}
	_, body = b.tab().open("/peers", nil)
	says(t, "the peers", body, "航运物流行业目录节点", "上海市目录节点")
	_, body = here.open("/peers", nil)
	says(t, "the peers, to an officer", body, "往来的节点", "已批准")

	peer := "/peer?" + url.Values{"did": {a.info.DID}}.Encode()
	_, body = here.open(peer, nil)
	says(t, "the peer", body, "已连通", a.info.Origin, "desk")
	act := func(verb string) string {
		t.Helper()
		args := url.Values{"verb": {verb}, "did": {a.info.DID}}
		code, body := here.fill("/peer/act?"+args.Encode(), "/peer/act", url.Values{"confirm": {"yes"}})
		if code != http.StatusOK {
			t.Fatalf("%s: %d %s", verb, code, body)
		}
		return body
	}
	says(t, "paused", act("pause"), "已暂停。", "现在联系不上，无法得知")
	_, body = b.tab().open("/search", nil)
	says(t, "a search", body, "共 4 条结果", "l-paused")
	says(t, "resumed", act("resume"), "已恢复。")
	says(t, "purged", act("purge"), "镜像正在清除")
	b.finds(1, view.Question{})
	if code, body = here.open(peer, nil); code != http.StatusNotFound && code != http.StatusOK {
		t.Errorf("%d %s", code, body)
	}
	_, body = here.open("/admin/audit", nil)
	says(t, "the trail", body, "添加对等节点", "暂停对等节点", "移除对等节点并清除镜像")
}
