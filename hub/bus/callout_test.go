package bus_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"lianmu/hub/bus"
)

// A server that lets clients in by itself is no server for a hub: nobody would
// have proved which space he is.
func TestServerThatDoesNotAsk(t *testing.T) {
	keys, err := bus.OpenCalloutKeys(filepath.Join(t.TempDir(), "callout.nk"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ more, says string }{
		"anonymous": {`no_auth_user: anybody`, "without asking"},
		"no user for the callout": {`authorization { auth_callout { account: AUTH, auth_users: [ hub ],
			issuer: ` + keys.Issuer() + `, xkey: ` + keys.XKey() + ` } }`, "auth"},
		"not asked at all": {``, keys.Issuer()},
		"not sealed": {`authorization { auth_callout { account: AUTH, auth_users: [ hub, auth ],
			issuer: ` + keys.Issuer() + ` } }`, keys.XKey()},
	} {
		t.Run(name, func(t *testing.T) {
			o := &server.Options{}
			if err := o.ProcessConfigString(`
				accounts {
					HUB { jetstream: enabled, users: [ { user: hub, password: secret } ] }
					CLIENTS { users: [ { user: anybody, password: known } ] }
					AUTH { users: [ { user: auth, password: secret } ] }
				}
				jetstream { store_dir: "` + t.TempDir() + `" }
				` + c.more); err != nil {
				t.Fatal(err)
			}
			o.Host, o.Port, o.NoLog, o.NoSigs = "127.0.0.1", server.RANDOM_PORT, true, true
			srv, err := server.NewServer(o)
			if err != nil {
				t.Fatal(err)
			}
			srv.Start()
			defer func() { srv.Shutdown(); srv.WaitForShutdown() }()
			url := strings.Replace(srv.ClientURL(), "://", "://hub:secret@", 1)
			b, err := bus.Start(t.Context(), bus.Config{URL: url, Callout: keys})
			if err == nil {
				stop(t, b)
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the password is told: %v", err)
			}
		})
	}
}

func TestCalloutKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "callout.nk")
	first, err := bus.OpenCalloutKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	again, err := bus.OpenCalloutKeys(path)
	if err != nil || again.Issuer() != first.Issuer() || again.XKey() != first.XKey() {
		t.Errorf("not the same keys: %v", err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(raw))
	for what, text := range map[string]string{
		"empty": "", "one": lines[0], "swapped": lines[1] + "\n" + lines[0], "twice": lines[0] + "\n" + lines[0], "cut": lines[0][:20] + "\n" + lines[1],
		"public": first.Issuer() + "\n" + first.XKey(), "more": string(raw) + lines[0],
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := bus.OpenCalloutKeys(path)
		if err == nil || strings.Contains(err.Error(), lines[0][:20]) || strings.Contains(err.Error(), lines[1][:20]) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := bus.OpenCalloutKeys(path); err == nil || !strings.Contains(err.Error(), "chmod") {
		t.Errorf("a file that others read: %v", err)
	}
}
