package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"lianmu/federation/identity"
	"lianmu/hub/access"
	"lianmu/hub/admission"
	"lianmu/hub/audit"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// steering is what a hostile hub writes wherever it may write a text: a window's
// title, colours, a C1 control, writing from right to left, and a line that would
// pass for one of this program.
const steering = "\x1b]0;title\a\x1b[31mred\u009b2J\u202e\u2028x\r\nFORGED; rm -rf ~ '$(id)'"

// filled is a T in which every text is steering, every list has one element, and
// every pointer leads somewhere.
func filled[T any]() (v T) {
	fill(reflect.ValueOf(&v).Elem(), 0)
	return v
}

func fill(v reflect.Value, depth int) {
	if _, own := v.Interface().(json.Marshaler); own || depth > 8 {
		return // a digest, a time: nothing that it is written as can steer
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(steering)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), depth+1)
			}
		}
	case reflect.Slice:
		switch v.Type() {
		case reflect.TypeFor[json.RawMessage]():
			v.SetBytes([]byte(`{"name":"\u202e"}`))
		case reflect.TypeFor[[]byte]():
			v.SetBytes([]byte(steering))
		default:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0), depth+1)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, depth+1)
		fill(value, depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
		if v.Type() == reflect.TypeFor[vocab.Text]() {
			v.SetMapIndex(reflect.ValueOf("en"), value)
			v.SetMapIndex(reflect.ValueOf("zh"), value)
		}
	}
}

// hostileHub answers every question of this program with texts that steer: as it
// should be answered, as a problem, or as no JSON at all.
func hostileHub(t *testing.T, manner string) string {
	t.Helper()
	page := func(item any) any { return map[string]any{"items": []any{item}} }
	info := filled[logInfo]()
	info.Size = 5
	answers := []struct {
		path string
		body any
	}{
		{"/api/v1/search", filled[view.Answer]()},
		{"/api/v1/log", info},
		{"/api/v1/spaces/", filled[spaceInfo]()},
		{"/api/v1/spaces", page(filled[spaceInfo]())},
		{"/api/v1/applicants", page(filled[admission.Applicant]())},
		{"/api/v1/invitations", map[string]any{"code": steering, "link": "http://" + steering, "items": []any{filled[admission.Invitation]()}}},
		{"/api/v1/proposals", page(filled[admission.Proposal]())},
		{"/api/v1/peers/preview", filled[peerPreview]()},
		{"/api/v1/peers/", struct {
			peering.PeerInfo
			Faults map[string][]peering.Fault `json:"faults"`
		}{filled[peering.PeerInfo](), map[string][]peering.Fault{steering: {filled[peering.Fault]()}}}},
		{"/api/v1/peers", exchangedLogs{Items: []peering.PeerInfo{filled[peering.PeerInfo]()}, Others: []peering.LogInfo{filled[peering.LogInfo]()}}},
		{"/api/v1/access", map[string]any{"holders": []access.Holder{filled[access.Holder]()}, "provided": []string{steering}}},
		{"/api/v1/audit", page(filled[audit.Record]())},
		{"/api/v1/views", []view.State{filled[view.State]()}},
		{"/api/v1/index/rebuild", rebuildState{Failed: steering}},
		{"/api/v1/hub", map[string]any{"hub": steering, "address": []string{steering}}},
		{"/api/v1/submissions", filled[vocab.Receipt]()},
		{"/checkpoint", "lianmu/" + steering + "\n5\nAAAA\n\n— " + steering + " AAAA\n"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem := vocab.Problem{Path: steering, Code: steering, Message: vocab.Text{"zh": steering, "en": steering}}
		var body any
		switch manner {
		case "problem":
			w.WriteHeader(http.StatusForbidden)
			body = map[string]any{"problems": vocab.Problems{problem}}
		case "detail":
			w.WriteHeader(http.StatusBadRequest)
			body = map[string]string{"title": steering, "detail": steering}
		case "junk":
			body = steering + "\x80\x9b"
		default:
			for _, a := range answers {
				if strings.HasPrefix(r.URL.Path, a.path) {
					body = a.body
					break
				}
			}
		}
		if text, ok := body.(string); ok {
			_, _ = w.Write([]byte(text))
			return
		}
		_ = json.NewEncoder(w).Encode(body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestHostileHubCannotSteer: whatever a hub answers, no command prints what a
// terminal would obey, or lets a text of the hub begin a line.
func TestHostileHubCannotSteer(t *testing.T) {
	dir := t.TempDir()
	key, err := identity.NewKey("ed25519")
	if err != nil {
		t.Fatal(err)
	}
	keyFile, card, offering := filepath.Join(dir, "k.key"), filepath.Join(dir, "card.json"), filepath.Join(dir, "o.json")
	if err := key.Write(keyFile); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{card: "{}", offering: `{"@id":"urn:a"}`} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	officer := []string{"--key", keyFile}
	commands := []struct {
		args []string
		key  []string
	}{
		{[]string{"search", "--facets", "x"}, nil}, {[]string{"search", "--json", "x"}, officer},
		{[]string{"space", "list"}, nil}, {[]string{"space", "list", "--json"}, nil}, {[]string{"space", "show", "did:key:z6Mk"}, nil}, {[]string{"space", "show", "nobody"}, nil},
		{[]string{"space", "waiting"}, officer}, {[]string{"space", "invitations"}, officer}, {[]string{"space", "proposals"}, officer}, {[]string{"space", "invite"}, officer},
		{[]string{"space", "suspend", "--yes", "--reason", "r", "did:key:z6Mk"}, officer}, {[]string{"space", "admit", "--yes", "did:key:z6Mk"}, officer},
		{[]string{"peer", "list"}, officer}, {[]string{"peer", "list", "--json"}, officer}, {[]string{"peer", "show", "did:key:z6Mk"}, officer}, {[]string{"peer", "show", "nobody"}, officer},
		{[]string{"peer", "show", "--json", "did:key:z6Mk"}, officer}, {[]string{"peer", "invite"}, nil}, {[]string{"peer", "add", "--yes", "--outbound", "r", card}, officer}, {[]string{"peer", "approve", "--yes", "--outbound", "r", "did:key:z6Mk"}, officer},
		{[]string{"log", "checkpoint"}, nil}, {[]string{"log", "show"}, nil}, {[]string{"log", "verify"}, nil}, {[]string{"log", "verify"}, officer},
		{[]string{"log", "verify", "--log", "lianmu/z/1"}, officer}, {[]string{"log", "export", "--out", filepath.Join(dir, "bundle")}, officer},
		{[]string{"access", "show"}, officer}, {[]string{"access", "show", "--json"}, officer},
		{[]string{"audit", "show"}, officer}, {[]string{"audit", "show", "--json"}, officer}, {[]string{"audit", "export"}, officer}, {[]string{"audit", "verify"}, officer},
		{[]string{"index", "rebuild"}, officer}, {[]string{"publish", offering}, officer}, {[]string{"withdraw", "urn:a"}, officer},
	}
	for _, manner := range []string{"answer", "problem", "detail", "junk"} {
		hub := hostileHub(t, manner)
		for _, c := range commands {
			args := append(append([]string{}, c.args...), "--hub", hub)
			_, out, errs := runCLI(t, "", append(args, c.key...)...)
			name := manner + ": " + strings.Join(c.args, " ")
			if out+errs == "" {
				t.Errorf("%s: nothing was said", name)
			}
			for _, text := range []string{out, errs} {
				if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && steers(r) }); i >= 0 || !utf8.ValidString(text) {
					t.Errorf("%s: steers at %d: %q", name, i, text)
				}
				if strings.Contains(text, "\nFORGED") && manner != "junk" {
					t.Errorf("%s: a text of the hub begins a line: %q", name, text)
				}
			}
		}
	}
}

// TestHostileCursorIsOneWord: what is suggested to be pasted is one word for a shell.
func TestHostileCursorIsOneWord(t *testing.T) {
	_, out, _ := runCLI(t, "", "search", "--hub", hostileHub(t, "answer"))
	want := "--cursor " + shellWord(steering)
	if !strings.Contains(out, want+"\n") || !strings.HasSuffix(want, `FORGED; rm -rf ~ '\''$(id)'\'''`) {
		t.Errorf("got %q, want %q", out, want)
	}
}

// TestPlainKeepsJSON: what is escaped on the way out is the same JSON, however it is
// cut into writes, and what needs nothing stays as it is.
func TestPlainKeepsJSON(t *testing.T) {
	for _, text := range []string{"上海港 ok\n", "a\u202eb\u009bc\u061c", "x\x7fy"} {
		raw, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		p := &plain{w: &b}
		for i := range raw {
			if _, err := p.Write(raw[i : i+1]); err != nil {
				t.Fatal(err)
			}
		}
		var back string
		if err := json.Unmarshal(b.Bytes(), &back); err != nil || back != text || strings.ContainsFunc(b.String(), steers) {
			t.Errorf("%q: %s, %v", text, b.Bytes(), err)
		}
	}
	var b bytes.Buffer
	p := &plain{w: &b}
	_, _ = p.Write([]byte("a\x9b\xe4\xb8"))
	if err := p.Flush(); err != nil || b.String() != "a\uFFFD\uFFFD\uFFFD" && b.String() != "a\uFFFD\uFFFD" {
		t.Errorf("%q %v", b.String(), err)
	}
}

// TestReceiveLeavesDocuments: texts are cleaned, in keys too; bytes and times stay.
func TestReceiveLeavesDocuments(t *testing.T) {
	var got struct {
		Text  vocab.Text
		Any   any
		Raw   json.RawMessage
		Bytes []byte
		At    time.Time
		Deep  map[string][]struct{ S *string }
	}
	in := `{"Text":{"zh":"一\n二\u202e"},"Any":["\u001b[2J"],"Raw":{"a":"\u202e"},"Bytes":"G1sySg==","At":"2026-11-22T08:00:00Z","Deep":{"k\u0007":[{"S":"x\ny"}]}}`
	if err := receive([]byte(in), &got); err != nil {
		t.Fatal(err)
	}
	if got.Text["zh"] != "一 二" || got.Any.([]any)[0] != "[2J" || string(got.Raw) != `{"a":"\u202e"}` || string(got.Bytes) != "\x1b[2J" || got.At.IsZero() || *got.Deep["k"][0].S != "x y" {
		t.Errorf("%+v", got)
	}
}
