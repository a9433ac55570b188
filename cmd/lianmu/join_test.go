package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// startClosedHub runs a hub that admits nobody by itself.
func startClosedHub(t *testing.T, dir string) hub.Info {
	t.Helper()
	return hubHere(t, hub.Config{Dir: dir}).Info()
}

const chineseSpace = `
名称: 港口数据空间
英文名称: Harbour data space
简介: 港航企业的可信数据空间
类型: 行业
运营方: 某某港口科技有限公司
统一社会信用代码: 91512081MA62K0260E
地域: 上海
联系方式: desk@example.cn
角色: 提供方
接入点:
  - dsp=https://space.example.cn/dsp
  - https://space.example.cn/api?v=1
默认可见范围: 公开
规则代码集: https://rules.example/scheme
`

func TestDescriptorOfAFile(t *testing.T) {
	d, err := readDescriptor(writeFile(t, "space.yaml", chineseSpace))
	if err != nil {
		t.Fatal(err)
	}
	key := identitytest.Key(t)
	also := identitytest.Key(t)
	file := filepath.Join(t.TempDir(), "also.key")
	if err := also.Write(file); err != nil {
		t.Fatal(err)
	}
	d = d.overlay(descriptor{Region: "3201", Keys: []string{file, key.DID()}, Hub: "did:key:z6MkpTHR8VNsBxYAAWHut2Geadd9jSwuBV8xRoAnwWsdvktH"})
	keys, signers, err := d.further()
	if err != nil || len(signers) != 1 || signers[0].DID() != also.DID() {
		t.Fatalf("%v, %v", signers, err)
	}
	doc, err := d.document(key.DID(), keys)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := shape.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	r, err := reader.ReadDocument(t.Context(), jsonld.New(jsonld.Limits{}), doc, time.Now())
	if err != nil {
		t.Fatalf("%s\n%v", doc, err)
	}
	sp := r.Space
	if sp == nil || sp.DID != key.DID() || sp.Name["zh"] != "港口数据空间" || sp.Name["en"] != "Harbour data space" || sp.Type.Code != "industry" ||
		sp.Operator.Code != "91512081MA62K0260E" || sp.Operator.Name["zh"] != "某某港口科技有限公司" || sp.Region.Code != "3201" || sp.Contact != "desk@example.cn" ||
		sp.Audience != vocab.AudiencePublic || len(sp.Roles) != 1 || len(sp.Schemes) != 1 || sp.Hub != "did:key:z6MkpTHR8VNsBxYAAWHut2Geadd9jSwuBV8xRoAnwWsdvktH" || sp.Description["zh"] == "" {
		t.Errorf("%+v", sp)
	}
	if want := []vocab.Endpoint{{Type: "dsp", URL: "https://space.example.cn/dsp"}, {URL: "https://space.example.cn/api?v=1"}}; !slices.Equal(sp.Endpoints, want) {
		t.Errorf("%+v", sp.Endpoints)
	}
	if want := []string{key.DID(), also.DID()}; !slices.Equal(sp.Keys, want) {
		t.Errorf("%v", sp.Keys)
	}
}

func TestDescriptorFilesThatAreWrong(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"JSON-LD":      {`{"@context":"https://w3id.org/lianmu/v1","@type":"Space","name":"x"}`, "lianmu publish"},
		"unknown name": {"name: x\ncolour: red\n", "colour"},
		"both tongues": {"name: x\n名称: y\n", "twice"},
		"name twice":   {"name: x\nname: y\n", "already"},
		"a list":       {"name: [a, b]\n", "name must be text"},
		"a sentence":   {"just words\n", "one item a line"},
		"nothing":      {"# only a comment\n", "one item a line"},
		"too large":    {"name: " + strings.Repeat("x", maxDescriptorFile), "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readDescriptor(writeFile(t, "space.yaml", tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "%!") {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	if _, err := readDescriptor(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing file is read")
	}
	inChinese(t)
	if _, err := readDescriptor(writeFile(t, "space.yaml", "颜色: 红\n")); err == nil || !strings.Contains(err.Error(), "统一社会信用代码") || strings.Contains(err.Error(), "%!") {
		t.Errorf("got %v", err)
	}
}

func TestSplitInvitation(t *testing.T) {
	for link, want := range map[string][2]string{
		"https://hub.example/join#ABCDE":        {"https://hub.example", "ABCDE"},
		"https://hub.example:8443/":             {"https://hub.example:8443", ""},
		"http://127.0.0.1:8080":                 {"http://127.0.0.1:8080", ""},
		"https://hub.example/catalog/join/#A-B": {"https://hub.example/catalog", "A-B"},
	} {
		base, code, err := splitInvitation(link)
		if err != nil || base != want[0] || code != want[1] {
			t.Errorf("%s: %s %s %v", link, base, code, err)
		}
	}
	for _, link := range []string{"", "hub.example", "nats://127.0.0.1:4222", "http://", "://"} {
		if _, _, err := splitInvitation(link); err == nil {
			t.Errorf("%q is taken", link)
		}
	}
}

func TestJoin(t *testing.T) {
	info := startClosedHub(t, t.TempDir())
	dir := t.TempDir()
	key, file := filepath.Join(dir, "space.key"), writeFile(t, "space.yaml", chineseSpace)
	exists := func(path string) bool { _, err := os.Stat(path); return err == nil }

	code, _, errs := runCLI(t, "", "join", info.HTTP, "--key", key)
	if code != 2 || !strings.Contains(errs, "--descriptor") {
		t.Errorf("nothing said: exit %d\n%s", code, errs)
	}
	for _, answer := range []string{"", "n\n", "maybe\n"} {
		code, _, errs = runCLI(t, answer, "join", info.HTTP, "--key", key, "--descriptor", file)
		if code != 2 || !strings.Contains(errs, "nothing was done") || exists(key) || exists(key+sentSuffix) {
			t.Fatalf("answer %q: exit %d\n%s", answer, code, errs)
		}
	}
	if !strings.Contains(errs, "港口数据空间") || !strings.Contains(errs, info.DID) || !strings.Contains(errs, "91512081MA62K0260E") {
		t.Errorf("what is sent is not shown:\n%s", errs)
	}
	code, out, errs := runCLI(t, "y\n", "join", info.HTTP, "--key", key, "--descriptor", file)
	k, err := identity.ReadKey(key)
	if code != 0 || err != nil || !strings.Contains(out, k.DID()) || !strings.Contains(out, "waits for the hub's operator") {
		t.Fatalf("exit %d, %v\n%s%s", code, err, out, errs)
	}
	// Again without a word: how does it stand? The same bytes are sent.
	sent, err := os.ReadFile(key + sentSuffix)
	if err != nil || !strings.Contains(string(sent), `"hub":"`+info.DID+`"`) {
		t.Fatalf("%s, %v", sent, err)
	}
	for _, args := range [][]string{{}, {"--descriptor", file}} {
		code, out, errs = runCLI(t, "", append([]string{"join", info.HTTP, "--key", key, "--json"}, args...)...)
		var r vocab.Receipt
		if err := json.Unmarshal([]byte(out), &r); code != 0 || err != nil || r.Status != vocab.Waiting || r.Digest != vocab.DigestOf(sent) {
			t.Errorf("exit %d, %v\n%s%s", code, err, out, errs)
		}
	}
	// What the hub would refuse is told before anything is sent.
	code, _, errs = runCLI(t, "", "join", info.HTTP, "--key", key, "--yes", "--name", "x", "--type", "太空")
	if code != 2 || !strings.Contains(errs, "enterprise") {
		t.Errorf("exit %d\n%s", code, errs)
	}
	if now, err := os.ReadFile(key + sentSuffix); err != nil || string(now) != string(sent) {
		t.Error("what was sent is forgotten")
	}
	// A hub that admits whoever signs: straight on, and with a second key.
	open, other := startHubHere(t, t.TempDir()), filepath.Join(dir, "other.key")
	for _, more := range [][]string{{}, {"--also-key", key}} {
		code, out, errs = runCLI(t, "", append([]string{"join", open.HTTP, "--key", other, "--yes", "--name", "工业空间"}, more...)...)
		if code != 0 || !strings.Contains(out, "Admitted") {
			t.Errorf("exit %d\n%s%s", code, out, errs)
		}
	}
	code, _, errs = runCLI(t, "", "publish", "--hub", open.HTTP, "--key", key, writeFile(t, "in.json", titled("urn:j:1", "潮位")))
	if code != 0 {
		t.Errorf("the second key: exit %d\n%s", code, errs)
	}
	// It is at home there now, and a hub that does not know it is the wrong one.
	code, _, errs = runCLI(t, "", "join", info.HTTP, "--key", filepath.Join(dir, "third.key"), "--yes", "--name", "甲", "--home-hub", open.DID)
	if code != 1 || !strings.Contains(errs, "present it there") {
		t.Errorf("to another hub: exit %d\n%s", code, errs)
	}
	// It moves: the old hub says what that means.
	code, out, errs = runCLI(t, "", "join", open.HTTP, "--key", other, "--yes", "--json", "--name", "工业空间", "--home-hub", info.DID)
	if code != 0 || !strings.Contains(out, "space.moves") {
		t.Errorf("a move: exit %d\n%s%s", code, out, errs)
	}
}
