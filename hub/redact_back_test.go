package hub_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity/identitytest"
	"lianmu/vocab"
)

// What was redacted for what it said does not come back by a turn of phrase that
// means the same to every program: not under its name, until an officer lifts
// that, and word for word nowhere.
func TestRedactedDoesNotComeBack(t *testing.T) {
	t.Parallel()
	s := closed(t)
	r, other := s.space("港口空间"), s.space("工业空间")
	const id = "https://space.example/bad"
	doc := func(context, level, id, more string) string {
		return fmt.Sprintf(`{"@context":%s,"@id":%q,"@type":"Dataset","title":"不该公开之事","keyword":["甲"],"securityLevel":%q%s}`, context, id, level, more)
	}
	const plain = `"https://w3id.org/lianmu/v1"`
	_, receipt := r.must(doc(plain, "公开", id, ""))
	at := receipt.Log.Index
	body := fmt.Sprintf(`{"entries":[%d],"ground":"personal","reason":"含个人信息"}`, at)
	if status, answer := s.post(s.key, "/api/v1/redactions", body); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	for what, again := range map[string]string{
		"the context as a list":   doc(`[`+plain+`]`, "公开", id, ""),
		"another form of a code":  doc(plain, "001", id, ""),
		"a keyword without list":  strings.Replace(doc(plain, "公开", id, ""), `["甲"]`, `"甲"`, 1),
		"one member more":         doc(plain, "公开", id, `,"备注":"x"`),
		"another title, the name": strings.Replace(doc(plain, "公开", id, ""), "不该公开之事", "别的", 1),
	} {
		if got := r.submit(r.sign(again)); got.Status != vocab.Refused || got.Problems[0].Code != "name.banned" {
			t.Errorf("%s: %+v", what, got)
		}
	}
	for what, by := range map[string]*running{"the space": r, "another space": other} {
		if got := by.submit(by.sign(doc(plain, "公开", id, ""))); got.Status != vocab.Refused || got.Problems[0].Code != "entry.redacted" {
			t.Errorf("word for word by %s: %+v", what, got)
		}
	}
	r.must(doc(plain, "公开", "https://space.example/good", `,"备注":"x"`)) // other names are free

	url := "/api/v1/spaces/" + r.key.DID() + "/acts"
	order := fmt.Sprintf(`{"verb":"Release","from":%d,"reason":"已改正"}`, at)
	if status, answer := s.post(identitytest.Key(t), url, order); status != http.StatusForbidden {
		t.Errorf("by somebody without an office: %d %s", status, answer)
	}
	if status, answer := s.post(s.key, url, fmt.Sprintf(`{"verb":"Release","from":%d,"reason":"x"}`, at-1)); status == http.StatusOK || !strings.Contains(answer, "release.none") {
		t.Errorf("an entry that was not redacted: %d %s", status, answer)
	}
	s.act(r.key.DID(), order)
	if got := r.submit(signedAt(t, r.key, time.Now(), doc(plain, "公开", id, ""))); got.Status != vocab.Refused || got.Problems[0].Code != "entry.redacted" {
		t.Errorf("word for word after it was lifted: %+v", got)
	}
	r.must(strings.Replace(doc(plain, "公开", id, ""), "不该公开之事", "已改正", 1))
	if a := s.search("已改正"); a.Total != 1 {
		t.Errorf("what was put right: %+v", a.Hits)
	}
	s.clean()
}
