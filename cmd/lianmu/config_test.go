package main

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"lianmu/hub"
	"lianmu/hub/access"
	"lianmu/vocab/jsonld"
)

func TestParseConfig(t *testing.T) {
	got, err := parseConfig([]byte(`
# a hub
dir: /var/lib/lianmu
http: 127.0.0.1:9000
open: true
operators: [did:key:z6Mk, {did: did:key:z6Ml, role: review, name: desk}]
queue_length: 100
index_every: 250ms
limits: {bytes: 1000, time: 1s}
`))
	want := hub.Config{Dir: "/var/lib/lianmu", HTTP: "127.0.0.1:9000", Open: true, Operators: []access.Operator{{DID: "did:key:z6Mk"}, {DID: "did:key:z6Ml", Role: access.Review, Name: "desk"}},
		QueueLength: 100, IndexEvery: 250 * time.Millisecond, Limits: jsonld.Limits{Bytes: 1000, Time: time.Second}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v %v\nwant %+v", got, err, want)
	}
	if got, err := parseConfig([]byte("# nothing yet\n")); err != nil || !reflect.DeepEqual(got, hub.Config{}) {
		t.Errorf("empty file: %+v %v", got, err)
	}
	for _, wrong := range []string{"htp: x", "open: maybe", "dir: a\ndir: b", "index_every: 5", "index_every: soon", "demo: true", "limits: {bites: 1}", "- a"} {
		if _, err := parseConfig([]byte(wrong)); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
}

func TestHubSettingsInOrder(t *testing.T) {
	path := writeFile(t, "hub.yaml", "http: 127.0.0.1:1\nnats: 127.0.0.1:2\ndir: fromfile\noperators: [did:key:a]\n")
	c := hubCmd{Config: path, HTTP: "127.0.0.1:3", NATSURL: "nats://elsewhere:4222", Operators: []access.Operator{{DID: "did:key:b"}}}
	got, err := c.config()
	if err != nil {
		t.Fatal(err)
	}
	if got.HTTP != "127.0.0.1:3" || got.Dir != "fromfile" || got.NATS != "" || got.NATSURL != "nats://elsewhere:4222" || len(got.Operators) != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestPprofIsForLoopbackOnly(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "example.org:0", "nonsense"} {
		if stop, err := servePprof(addr, nil); err == nil {
			stop()
			t.Errorf("%s was taken", addr)
		} else if !strings.Contains(err.Error(), "127.0.0.1:6060") {
			t.Errorf("%s: %v does not say what to do", addr, err)
		}
	}
}

// TestShippedConfigurationIsClosed: who installs it as it is admits nobody unasked.
func TestShippedConfigurationIsClosed(t *testing.T) {
	text, err := os.ReadFile("../../deploy/lianmu.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\nopen: false\n") {
		t.Error("deploy/lianmu.yaml admits whoever signs")
	}
}
