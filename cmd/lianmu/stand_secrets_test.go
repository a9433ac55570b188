package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/hub"
)

// What is secret, or must be kept nowhere, is in no line that the program logs,
// however talkative it is told to be, and in no file of its folder: invitation
// codes, tokens, sessions, keys, classified texts, personal data.
func TestStandSecretsStayOut(t *testing.T) {
	t.Parallel()
	dir, own := t.TempDir(), t.TempDir()
	p := start(t, "hub", "--dir", dir, "--http", "127.0.0.1:0", "--nats", "127.0.0.1:0", "--json", "--log-level", "debug")
	var info hub.Info
	if !p.out.Scan() {
		t.Fatalf("the hub is not ready: %s", p.stderr.String())
	}
	if err := json.Unmarshal(p.out.Bytes(), &info); err != nil {
		t.Fatal(err)
	}
	office := []string{"--hub", info.HTTP, "--key", filepath.Join(dir, "hub.key")}
	var invitation invited
	if err := json.Unmarshal([]byte(cli(t, 0, append([]string{"space", "invite", "--json"}, office...)...)), &invitation); err != nil {
		t.Fatal(err)
	}
	spaceKey := filepath.Join(own, "space.key")
	cli(t, 0, "join", info.HTTP+"/join#"+invitation.Code, "--key", spaceKey, "--yes", "--descriptor", writeFile(t, "space.yaml", chineseSpace))
	cli(t, 0, append([]string{"space", "admit", "--yes", "港口数据空间"}, office...)...)

	const classified, mobile = "Zq7绝不外传之标题", "13912345678"
	docs := writeFile(t, "in.jsonl", strings.Join([]string{
		titled("urn:s:1", "潮位"),
		`{"@context":"https://w3id.org/lianmu/v1","@id":"urn:s:2","@type":"Dataset","title":{"zh":"` + classified + `"},"securityLevel":"005"}`,
		`{"@context":"https://w3id.org/lianmu/v1","@id":"urn:s:3","@type":"Participant","subjectCode":"91512081MA62K0260E","name":{"zh":"某公司"},"telephone":"` + mobile + `"}`,
	}, "\n"))
	cli(t, 1, "publish", "--hub", info.NATS, "--key", spaceKey, docs)
	cli(t, 1, "publish", "--hub", info.HTTP, "--key", spaceKey, docs)

	key, err := identity.ReadKey(filepath.Join(dir, "hub.key"))
	if err != nil {
		t.Fatal(err)
	}
	token := func() string {
		t.Helper()
		s, err := identity.NewToken(key, info.DID, time.Now(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := http.Client{Jar: jar}
	paste, bearer := token(), token()
	for _, form := range []url.Values{{"token": {paste}}, {"token": {paste}}, {"token": {paste + "x"}}} { // good, used, broken
		resp, err := browser.PostForm(info.HTTP+"/session", form)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	for _, credential := range []string{bearer, bearer, bearer[:len(bearer)-3] + "AAA"} {
		q, err := http.NewRequest(http.MethodGet, info.HTTP+"/api/v1/audit", nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+credential)
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	home, err := url.Parse(info.HTTP)
	if err != nil || len(jar.Cookies(home)) == 0 {
		t.Fatalf("no session: %v", err)
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}

	secrets := map[string]string{
		"an invitation code": invitation.Code, "a token": paste[:len(paste)-4], "another token": bearer[:len(bearer)-4],
		"a session": jar.Cookies(home)[0].Value, "a classified title": classified, "a mobile number": mobile,
	}
	keys := map[string]string{}
	for _, path := range []string{filepath.Join(dir, "hub.key"), filepath.Join(dir, "log.key"), spaceKey} {
		st, err := os.Stat(path)
		if err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, st.Mode(), err)
		}
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		longest := ""
		for line := range strings.Lines(string(body)) {
			if line = strings.TrimSpace(line); len(line) > len(longest) {
				longest = line
			}
		}
		keys[path] = longest
	}
	logged := p.stderr.String()
	if !strings.Contains(logged, "level=DEBUG") || len(logged) < 1000 {
		t.Fatalf("it logs little: %s", logged)
	}
	for what, secret := range secrets {
		if strings.Contains(logged, secret) {
			t.Errorf("%s is in the log", what)
		}
	}
	for path, secret := range keys {
		if len(secret) < 32 || strings.Contains(logged, secret) {
			t.Errorf("the key %s is in the log, or not found", path)
		}
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && !d.Type().IsRegular() {
			return nil
		}
		if err != nil {
			return err
		}
		body, err := os.ReadFile(path)
		for what, secret := range secrets {
			if bytes.Contains(body, []byte(secret)) {
				t.Errorf("%s is in %s", what, path)
			}
		}
		for of, secret := range keys {
			if of != path && bytes.Contains(body, []byte(secret)) {
				t.Errorf("the key %s is in %s", of, path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
