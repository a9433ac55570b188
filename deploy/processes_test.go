package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub"
	"lianmu/hub/access"
	"lianmu/hub/bus"
	"lianmu/hub/hubtest"
	"lianmu/hub/peering"
)

// Two processes of one hub share an external NATS server and mirror the same log at
// once: each finds all of it, it is copied once, and neither takes what the other
// wrote for a contradiction. One that is stopped leaves the other at work.
func TestTwoProcessesMirrorAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a NATS server")
	}
	officer := access.Who{DID: "did:key:zSecurity", Via: access.ViaToken, Roles: []access.Role{access.Security}}
	home := begin(t, hubtest.Config(t, t.TempDir()))

	dir := t.TempDir()
	if _, err := hub.NATSEnv(filepath.Join(dir, "1")); err != nil {
		t.Fatal(err)
	}
	key, err := identity.ReadKey(filepath.Join(dir, "1", "hub.key"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := bus.OpenCalloutKeys(filepath.Join(dir, "1", hub.CalloutFile))
	if err != nil {
		t.Fatal(err)
	}
	url, clients := runServer(t, dir, key.DID(), keys)
	var pair [2]process
	for i := range pair {
		own := filepath.Join(dir, fmt.Sprint(i+1))
		if i > 0 { // the same hub
			if err := os.Mkdir(own, 0o700); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"hub.key", "log.key", hub.CalloutFile} {
				b, err := os.ReadFile(filepath.Join(dir, "1", name))
				if err == nil {
					err = os.WriteFile(filepath.Join(own, name), b, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		c := hubtest.Config(t, own)
		c.NATSURL, c.Peering.Addresses = url, []string{clients}
		pair[i] = begin(t, c)
	}
	if pair[0].Info().Origin != pair[1].Info().Origin {
		t.Fatal("two hubs")
	}
	for _, row := range []struct {
		hub  process
		card []byte
	}{{pair[0], home.Peers().Card()}, {home, pair[0].Peers().Card()}} {
		if _, err := row.hub.Peers().Add(t.Context(), officer, peering.Invite{Card: row.card}, peering.Terms{}); err != nil {
			t.Fatal(err)
		}
	}

	space := identitytest.Key(t)
	published := uint64(0)
	publish := func(n int) {
		t.Helper()
		for range n {
			published++
			home.publish(t, space, published)
		}
	}
	level := func(hubs ...process) {
		t.Helper()
		for i, h := range hubs {
			now := ""
			for range 1500 {
				logs, err := h.Peers().Logs(t.Context(), officer)
				if err != nil {
					t.Fatal(err)
				}
				total := h.found(t)
				now = fmt.Sprintf("%d found, %+v", total, logs)
				if len(logs) == 1 && logs[0].Size == published && logs[0].State == peering.Current && logs[0].Faulty+logs[0].Missing == 0 && logs[0].Error == nil && total == published {
					now = ""
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
			if now != "" {
				t.Fatalf("process %d of the hub, of %d: %s", i+1, published, now)
			}
		}
	}
	for range 3 {
		publish(5)
		level(pair[:]...)
	}
	publish(20) // many small steps, which both are in the middle of
	level(pair[:]...)
	pair[1].stop()
	publish(5)
	level(pair[0])
}

// process is a hub of this test.
type process struct {
	*hub.Hub
	stop func()
}

// begin starts a hub that ends with the test at the latest.
func begin(t *testing.T, c hub.Config) process {
	t.Helper()
	h, stop := hubtest.Start(t, c)
	return process{h, stop}
}

// publish has a space publish an offering at an open hub.
func (p process) publish(t *testing.T, space *identity.Key, n uint64) {
	t.Helper()
	raw := identitytest.Sign(t, fmt.Appendf(nil, `{"@context":"https://w3id.org/lianmu/v1","@type":"Dataset","@id":"urn:x:%d","title":"潮位 %d"}`, n, n),
		space, identity.SignOptions{Created: time.Now(), Expires: time.Now().Add(time.Hour)})
	resp, err := http.Post(p.Info().HTTP+"/api/v1/submissions", "application/json", bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		b, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s: %s", resp.Status, b)
	}
}

// found is how many offerings anybody finds.
func (p process) found(t *testing.T) (total uint64) {
	t.Helper()
	resp, err := http.Get(p.Info().HTTP + "/api/v1/search")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Total uint64 }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer.Total
}
