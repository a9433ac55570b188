package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/hub"
	"lianmu/hub/peering"
	"lianmu/vocab"
)

// harbour is a real hub that a test administers from the command line.
type harbour struct {
	t    *testing.T
	dir  string
	info hub.Info
	run  *running
}

// startHarbour starts a hub with the lines of a configuration.
func startHarbour(t *testing.T, config ...string) *harbour {
	t.Helper()
	n := &harbour{t: t, dir: t.TempDir()}
	n.begin("--http", "127.0.0.1:0", "--nats", "127.0.0.1:0", "--config", writeFile(t, "hub.yaml", strings.Join(config, "\n")+"\n"))
	return n
}

// begin starts the hub, which is not running.
func (n *harbour) begin(args ...string) {
	n.t.Helper()
	n.run = start(n.t, append([]string{"hub", "--dir", n.dir, "--open", "--json"}, args...)...)
	if !n.run.out.Scan() {
		n.t.Fatal("the hub is not ready")
	}
	if err := json.Unmarshal(n.run.out.Bytes(), &n.info); err != nil {
		n.t.Fatal(err)
	}
}

// do runs a command as the hub's officer.
func (n *harbour) do(code int, says string, args ...string) string {
	n.t.Helper()
	return n.answering("", code, says, args...)
}

// answering likewise, with what is typed.
func (n *harbour) answering(typed string, code int, says string, args ...string) string {
	n.t.Helper()
	args = append(args, "--hub", n.info.HTTP)
	if args[0]+args[1] != "peerinvite" {
		args = append(args, "--key", filepath.Join(n.dir, "hub.key"))
	}
	got, out, errs := runCLI(n.t, typed, args...)
	if got != code || !strings.Contains(out+errs, says) || strings.Contains(out+errs, "%!") {
		n.t.Fatalf("%v: exit %d, want %d and %q\n%s%s", args, got, code, says, out, errs)
	}
	return out
}

// publish puts documents into the hub's log, each by a space of its own key.
func (n *harbour) publish(docs ...string) {
	n.t.Helper()
	cli(n.t, 0, "publish", "--hub", n.info.HTTP, "--key", newKey(n.t), writeFile(n.t, "docs.jsonl", strings.Join(docs, "\n")))
}

// finds waits until everybody finds so many.
func (n *harbour) finds(count uint64) {
	n.t.Helper()
	for search(n.t, n.info).Total != count { // the test's own time limit ends it
		time.Sleep(20 * time.Millisecond)
	}
}

// lists waits until the list of peers says something.
func (n *harbour) lists(says string) string {
	n.t.Helper()
	return n.says(says, "peer", "list")
}

// says waits until a command says something.
func (n *harbour) says(what string, args ...string) string {
	n.t.Helper()
	for {
		if out := n.do(0, "", args...); strings.Contains(out, what) {
			return out
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// suggested runs the command that stands in a text, as somebody would who pastes it.
func (n *harbour) suggested(text, command string, more ...string) {
	n.t.Helper()
	_, rest, found := strings.Cut(text, "lianmu "+command)
	line, _, _ := strings.Cut(rest, "\n")
	if !found {
		n.t.Fatalf("no %q in:\n%s", command, text)
	}
	cli(n.t, 0, append(append(strings.Fields(command), strings.Fields(line)...), more...)...)
}

// TestPeersFromTheCommandLine: two operators make their hubs peers by cards, look
// at each other, pause, remove, and carry a log across by hand.
func TestPeersFromTheCommandLine(t *testing.T) {
	t.Parallel()
	a, b := startHarbour(t), startHarbour(t)
	own := t.TempDir()
	cardA, cardB := filepath.Join(own, "a.json"), filepath.Join(own, "b.json")
	a.publish(titled("urn:a:1", "潮位"), titled("urn:a:2", "风速"), titled("urn:a:3", "内部计划", `,"安全级别":"内部"`))
	b.publish(titled("urn:b:1", "电池回收"))
	a.finds(2)
	b.finds(1)

	a.do(0, a.info.DID, "peer", "invite", "--out", cardA)
	b.do(0, peering.Fingerprint(b.info.DID).ZH, "peer", "invite", "--out", cardB)
	a.do(2, "already", "peer", "invite", "--out", cardA)
	a.do(0, `"verifierKey"`, "peer", "invite")
	b.do(0, "there are no peers", "peer", "list")

	// Nothing without a yes; what is shown is who it is and what would leave.
	shown := a.answering("n\n", 2, "nothing was done", "peer", "add", cardB)
	for _, says := range []string{b.info.DID, peering.Fingerprint(b.info.DID).ZH, peering.Fingerprint(b.info.DID).EN, b.info.Origin, b.info.HTTP, "CN", "not bounded", "none named",
		"public    not said          2  descriptions", "space     ", "leaf records alone", "note: The peer names no agreement"} {
		if !strings.Contains(shown, says) {
			t.Errorf("the preview does not say %q:\n%s", says, shown)
		}
	}
	a.do(0, "there are no peers", "peer", "list")
	a.do(1, "own card", "peer", "add", "--yes", cardA)
	a.do(2, "there is no file nofile", "peer", "add", "--yes", "nofile")
	a.do(2, "no card", "peer", "add", "--yes", writeFile(t, "x.json", "[]"))
	a.do(1, "not signed", "peer", "add", "--yes", writeFile(t, "y.json", `{"@type":"Log"}`+"\n"))
	a.do(1, "cannot be reached", "peer", "add", "--yes", "nats://127.0.0.1:1")
	a.suggested(a.answering("y\n", 0, "Added", "peer", "add", cardB, "--note", "西边的节点"), "peer list")
	b.lists("waiting")
	b.do(0, "approved", "peer", "approve", "--yes", a.info.DID)
	a.finds(3)
	b.finds(3)
	row := b.lists("current")
	if !strings.Contains(row, a.info.DID) {
		t.Errorf("%s", row)
	}
	b.do(0, "2 found", "search", "潮位 OR 风速")

	var peer peering.PeerInfo
	if err := json.Unmarshal([]byte(b.do(0, "", "peer", "list", "--json")), &peer); err != nil || peer.DID != a.info.DID || peer.Logs[0].Size != 3 || peer.Link.In == 0 {
		t.Errorf("%+v %v", peer, err)
	}
	name := peer.About.Name["en"]
	b.do(0, "connected  ", "peer", "show", name)
	b.do(0, "not for this hub  1", "peer", "show", a.info.DID)
	a.do(0, "西边的节点", "peer", "show", b.info.DID)
	b.do(0, `"card"`, "peer", "show", "--json", name)
	b.do(1, "no peer 无此节点", "peer", "show", "无此节点")
	b.do(1, "no peer did:key:zNone", "peer", "show", "did:key:zNone")

	b.do(0, "paused", "peer", "pause", name)
	b.lists("paused")
	b.do(0, "resumed", "peer", "resume", name)
	b.do(1, "no log", "peer", "accept", "--yes", a.info.Origin)
	b.do(2, "is like lianmu/", "peer", "accept", "--yes", "nonsense")
	b.do(2, "--keep", "peer", "remove", "--yes", name)
	b.do(2, "nothing was done", "peer", "remove", "--purge", name)

	// The mirror is verified like the log itself.
	b.do(0, "clean; not shown to you and not checked: 1 of its documents", "log", "verify", "--log", a.info.Origin)
	b.do(1, "no log", "log", "verify", "--log", "lianmu/zNone/1")

	// By hand: removed with all of it, then taken in from a file.
	b.do(0, "thrown away", "peer", "remove", "--purge", "--yes", name)
	b.finds(1)
	bundle := filepath.Join(own, "a.bundle")
	a.do(0, "entries 0 to 2", "log", "export", "--out", bundle)
	a.do(2, "already", "log", "export", "--out", bundle)
	a.do(1, "nothing from entry 9 on", "log", "export", "--from", "9", "--out", filepath.Join(own, "none.bundle"))
	if _, err := os.Stat(filepath.Join(own, "none.bundle")); err == nil {
		t.Error("what could not be exported left a file")
	}
	cli(t, 0, "log", "verify", "--bundle", bundle)
	rest := filepath.Join(own, "rest.bundle") // what is new alone follows on what the other side has
	a.do(0, "entries 2 to 2", "log", "export", "--from", "2", "--out", rest)
	if code, _, errs := runCLI(t, "", "log", "verify", "--bundle", rest); code != 2 || !strings.Contains(errs, "follows on the first 2 entries") || !strings.Contains(errs, "lianmu log verify --log "+a.info.Origin+" --hub URL") {
		t.Errorf("exit %d\n%s", code, errs)
	}
	for { // until all of it is gone
		_, _, errs := runCLI(t, "", "log", "import", "--hub", b.info.HTTP, "--key", filepath.Join(b.dir, "hub.key"), bundle)
		if strings.Contains(errs, "peer add") {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	a.do(0, "", "peer", "block", "--yes", b.info.DID) // so that nothing comes by itself
	b.do(0, "Added", "peer", "add", "--yes", cardA)
	b.do(1, "from entry 0 on", "log", "import", rest)
	b.do(0, "paused", "peer", "pause", a.info.DID)
	b.do(1, "resume it first", "log", "import", bundle)
	b.do(0, "resumed", "peer", "resume", a.info.DID)
	b.do(0, "3 entries taken in, 3 held", "log", "import", "--progress", bundle)
	b.finds(3)
	b.do(0, "0 entries taken in, 3 held", "log", "import", bundle)
	b.do(0, "0 entries taken in, 3 held", "log", "import", rest)

	raw, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 1
	b.do(2, "damaged", "log", "import", writeFile(t, "damaged.bundle", string(raw)))

	// Who has no office does none of this.
	stranger := newKey(t)
	k, err := identity.ReadKey(stranger)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"peer", "list"}, {"peer", "show", a.info.DID}, {"peer", "add", "-y", cardA}, {"peer", "pause", a.info.DID}, {"peer", "remove", "-y", "--keep", a.info.DID},
		{"log", "export", "--out", filepath.Join(own, "x.bundle")}, {"log", "import", bundle},
	} {
		code, out, errs := runCLI(t, "", append(args, "--hub", a.info.HTTP, "--key", stranger)...)
		if code != 1 || !strings.Contains(errs, "may not") {
			t.Errorf("%v as %s: exit %d\n%s%s", args, k.DID(), code, out, errs)
		}
	}
}

// What was wrong with a log is shown with its evidence, as text alone.
func TestWhatWasWrongIsShown(t *testing.T) {
	why := vocab.NewProblem("", "log.contradiction", "前后矛盾", "it contradicts itself")
	l := peering.LogInfo{State: peering.Stopped, Faulty: 1}
	l.Origin, l.Why, l.Evidence = "lianmu/zB/1", &why, [][]byte{[]byte("lianmu/zB/1\n7\nroot"), []byte("lianmu/zB/1\n7\nother\x1b[2J")}
	var out strings.Builder
	officer := desk{Hub: "http://127.0.0.1:8080", Key: "my keys/hub.key"}
	err := officer.showLog(&streams{Out: &out, Now: time.Now}, l, []peering.Fault{{Index: 4, Problem: vocab.NewProblem("", "x", "签名不对", "wrong signature")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"stopped", "it contradicts itself", "lianmu peer accept lianmu/zB/1 --hub http://127.0.0.1:8080 --key 'my keys/hub.key'", "entry 4 does not stand", "wrong signature", "evidence 2:", "    other"} {
		if !strings.Contains(out.String(), says) {
			t.Errorf("without %q:\n%s", says, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("it steers the terminal: %q", out.String())
	}
}

// TestPeerByAddress: the short form for trials, over NATS and over HTTP; a hub
// abroad needs a reason.
func TestPeerByAddress(t *testing.T) {
	a, b := startHarbour(t), startHarbour(t)
	c := startHarbour(t, "peering: {jurisdiction: HK, name: {zh: 港岛节点, en: Island hub}}")
	a.publish(titled("urn:a:1", "潮位"))
	c.publish(titled("urn:c:1", "航班"))
	b.do(0, "Added", "peer", "add", "--yes", a.info.NATS)
	a.do(0, "Added", "peer", "add", "--yes", b.info.HTTP)
	b.finds(1)

	b.do(2, "--outbound", "peer", "add", "--yes", c.info.HTTP)
	if out := b.do(0, "", "peer", "list"); strings.Contains(out, c.info.DID) {
		t.Errorf("it was added all the same:\n%s", out)
	}
	b.do(0, "Added", "peer", "add", "--yes", "--outbound", "评估批准 2026-7", "--relays", c.info.HTTP)
	c.do(0, "Added", "peer", "add", "--yes", b.info.HTTP)
	b.finds(2)
	b.do(0, "评估批准 2026-7", "peer", "show", "Island hub")
	inChinese(t)
	b.do(0, "出境批准", "peer", "show", "港岛节点")
	b.do(0, "港岛节点", "peer", "list")
	b.do(0, "会向它提供", "peer", "approve", "--yes", "港岛节点")
	b.do(1, "本节点自己的名片", "peer", "add", "--yes", b.info.HTTP)
	b.do(1, "没有对等节点", "peer", "pause", "无此节点")
}

// TestPeersOfOneName: anybody can take a name, so one that several go by means the
// one that was approved; whose log is kept goes by its name too.
func TestPeersOfOneName(t *testing.T) {
	t.Parallel()
	const config = "peering: {name: {zh: 港口节点, en: Port hub}}"
	a, b, c := startHarbour(t), startHarbour(t, config), startHarbour(t, config)
	a.do(0, "Added", "peer", "add", "--yes", b.info.HTTP)
	c.do(0, "Added", "peer", "add", "--yes", a.info.HTTP)
	b.do(0, "Added", "peer", "add", "--yes", a.info.HTTP)
	b.publish(titled("urn:b:1", "潮位"))
	a.finds(1)
	a.lists("waiting")
	args := []string{"--hub", a.info.HTTP, "--key", filepath.Join(a.dir, "hub.key")}
	_, out, notes := runCLI(t, "", append([]string{"peer", "show", "Port hub"}, args...)...)
	if !strings.Contains(out, b.info.DID) || strings.Contains(out, c.info.DID) || !strings.Contains(notes, c.info.DID+" calls itself (waiting)") {
		t.Errorf("%s%s", out, notes)
	}
	_, _, notes = runCLI(t, "n\n", append([]string{"peer", "block", "Port hub"}, args...)...)
	if !strings.Contains(notes, "Refuse Port hub ("+b.info.DID+")?") {
		t.Errorf("%s", notes)
	}
	a.do(0, "approved", "peer", "approve", "--yes", c.info.DID)
	a.do(1, "several hubs are called", "peer", "pause", "Port hub")
	c.run.stop(os.Interrupt) // or it would ask again
	a.do(0, "", "peer", "remove", "--yes", "--purge", c.info.DID)

	// Not running it offers nothing, and nobody knows how far it has gone on.
	b.run.stop(os.Interrupt)
	a.says("unknown", "peer", "list")
	a.says("nobody offers it now", "peer", "show", "Port hub")
	a.do(0, "the mirrors kept", "peer", "remove", "--yes", "--keep", "港口节点")
	a.says("no peer", "peer", "list")
	a.do(0, "thrown away", "peer", "remove", "--yes", "--purge", "港口节点")
	a.finds(0)
}

// TestPeerAcceptsNewEpoch: a hub that had to begin a new epoch shows another log,
// which its peers take in when an officer says so, with the command that is shown.
func TestPeerAcceptsNewEpoch(t *testing.T) {
	t.Parallel()
	a, b := startHarbour(t), startHarbour(t)
	a.do(0, "Added", "peer", "add", "--yes", b.info.HTTP)
	b.do(0, "Added", "peer", "add", "--yes", a.info.HTTP)
	b.publish(titled("urn:b:1", "潮位"), titled("urn:b:2", "风速"))
	a.finds(2)
	former := b.info.Origin

	// It calls itself something else meanwhile, which an officer takes too.
	b.run.stop(os.Interrupt)
	config := writeFile(t, "hub.yaml", "peering: {name: {zh: 东港节点, en: East port}, contact: 'https://east.example/desk'}\n")
	again := []string{"--http", strings.TrimPrefix(b.info.HTTP, "http://"), "--nats", strings.TrimPrefix(b.info.NATS, "nats://"), "--config", config}
	b.begin(again...)
	shown := a.says("new card", "peer", "show", b.info.DID)
	if !strings.Contains(shown, "name: East port / 东港节点 (was lianmu hub") || !strings.Contains(shown, "contact: https://east.example/desk (was -)") || strings.Contains(shown, "address: ") {
		t.Errorf("%s", shown)
	}
	a.lists(", new card")
	a.suggested(shown, "peer approve", "--yes")
	if shown := a.do(0, "", "peer", "show", "East port"); strings.Contains(shown, "new card") {
		t.Errorf("%s", shown)
	}

	b.run.stop(os.Interrupt)
	cli(t, 0, "log", "epoch", "--dir", b.dir)
	b.begin(again...)
	if b.info.Origin == former {
		t.Fatalf("it is still %s", former)
	}
	b.publish(titled("urn:b:3", "浪高"))
	b.finds(3)
	shown = a.says("offered", "peer", "show", b.info.DID)
	if !strings.Contains(shown, b.info.Origin) || !strings.Contains(shown, former) {
		t.Errorf("%s", shown)
	}
	a.finds(2) // nothing of it yet
	a.suggested(shown, "peer accept "+b.info.Origin, "--yes")
	a.finds(3)
	if shown := a.says("ended", "peer", "show", b.info.DID); strings.Contains(shown, "offered") {
		t.Errorf("%s", shown)
	}
	a.do(0, "clean", "log", "verify", "--log", b.info.Origin)
	for _, h := range search(t, a.info).Hits {
		if h.Hub != b.info.Origin {
			t.Errorf("%s is shown from %s", h.ID, h.Hub)
		}
	}
}
