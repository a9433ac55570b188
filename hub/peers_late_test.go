package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lianmu/hub"
	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// An evil hub fills its log with what a space of another hub signed: its
// descriptor, admitted anew, old versions, withdrawals that were overtaken,
// versions that its home never took; and decides about it. Nothing of that counts
// anywhere, whichever of the two logs came first; but what the space itself took
// down is down.
func TestStandEntriesOfAnothersSpace(t *testing.T) {
	t.Parallel()
	a := settle(t, "甲", "0a")
	doc := func(id, title string) string { return offering(id, title) }
	home, _ := a.must(descriptor(a.key.DID(), "甲空间", fmt.Sprintf(`,"hub":%q`, a.info.DID)))
	first, _ := a.must(doc("changed", "旧版"))
	a.must(doc("changed", "新版"))
	back, _ := a.must(doc("back", "回来之前"))
	overtaken, _ := a.must(removal("Withdrawal", "back"))
	a.must(doc("back", "回来之后"))
	withdrawn, _ := a.must(doc("withdrawn", "已下架"))
	a.must(removal("Withdrawal", "withdrawn"))
	deregistered, _ := a.must(doc("deregistered", "已注销"))
	a.must(removal("Deregistration", "deregistered"))
	a.must(doc("later", "后来自己下架的"))

	f := newForger(t)
	act := func(verb, more string) {
		f.tree.say(t, vocab.KindAct, f.key, fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@id":"urn:uuid:6a4c1f0e-7c7e-4d0e-9c56-0d6c5b8f7%03x","@type":%q,"space":%q,"by":"did:key:zOfficer"%s}`,
			f.tree.size(), verb, a.key.DID(), more))
	}
	f.change(func() {
		f.tree.at = f.tree.at.Add(day(1.0 / 24)) // these were signed just now
		f.tree.write(t, vocab.KindSpace, home)
		act("Admission", "")
		f.tree.write(t, vocab.KindOffering, first)
		f.tree.write(t, vocab.KindOffering, back)
		f.tree.write(t, vocab.KindWithdrawal, overtaken)
		f.tree.write(t, vocab.KindOffering, withdrawn)
		f.tree.write(t, vocab.KindOffering, deregistered)
		f.tree.write(t, vocab.KindOffering, a.sign(doc("elsewhere", "本家没有的")))
		act("Removal", `,"offerings":["https://space.example/changed"]`)
		act("Suspension", `,"reason":"冒充"`)
		act("KeyCompromise", fmt.Sprintf(`,"key":%q,"from":0`, a.key.DID()))
		act("Withholding", fmt.Sprintf(`,"offerings":["https://space.example/changed"],"from":2,"created":%q`, "2099-01-01T00:00:00Z"))
		f.tree.say(t, vocab.KindOffering, f.space, doc("changed", "伪节点自己的产品")) // the same @id is another space's offering
	})
	shown := func(w *town, want ...string) {
		t.Helper()
		var got []string
		w.until("the right ones are found", func() (string, bool) {
			answer, err := w.hub.Find(t.Context(), view.Question{Limit: 50})
			if err != nil {
				return err.Error(), false
			}
			got = nil
			for _, h := range answer.Hits {
				got = append(got, h.Title["zh"])
			}
			missing := 0
			for _, title := range want {
				if !strings.Contains(" "+strings.Join(got, " ")+" ", " "+title+" ") {
					missing++
				}
			}
			return fmt.Sprint(got), missing == 0 && len(got) == len(want)
		})
	}
	befriends := func(w *town) {
		befriend(t, a, w)
		w.until("all of A's is here", func() (string, bool) { l := w.logOf(a); return fmt.Sprint(l.Size), l.Size == a.hub.Info().LogSize })
	}
	b, c := settle(t, "乙", "0b"), settle(t, "丙", "0c")
	befriends(b)
	shown(b, "新版", "回来之后", "后来自己下架的")
	b.add(f)
	b.holds(f, f.tree.size())
	c.add(f)
	c.holds(f, f.tree.size())
	shown(c, "伪节点自己的产品") // of A's space nothing, as long as its home is not held
	befriends(c)
	for _, w := range []*town{b, c} {
		shown(w, "新版", "回来之后", "后来自己下架的", "伪节点自己的产品")
	}
	// The space itself takes one down, in another hub's log alone.
	g := newForger(t)
	g.change(func() {
		g.tree.at = g.tree.at.Add(day(1.0 / 24))
		g.tree.write(t, vocab.KindWithdrawal, a.sign(removal("Withdrawal", "later")))
	})
	for _, w := range []*town{b, c} {
		w.add(g)
		shown(w, "新版", "回来之后", "伪节点自己的产品")
	}
}

// A relay that stayed behind hands on what is gone by now. Nothing of it comes
// back where it is known to be gone; where it is not, it goes with the next
// checkpoint. A body that was redacted is taken from nobody, also not from one who
// kept it and denies the redaction.
func TestStandNothingComesBack(t *testing.T) {
	t.Parallel()
	var days clock
	a := settle(t, "甲", "0a", days.set)
	r, lying := behind(t, "中", "0e", days.set)
	const secret = "不该再见到的标题"
	a.publish("withdrawn", "deregistered")
	redacted, _ := a.must(offering("redacted", secret))
	a.publish("stays")
	befriend(t, a, r)
	r.finds(4, view.Question{})
	if err := r.peers().Pause(t.Context(), security, a.info.DID); err != nil {
		t.Fatal(err)
	}
	a.must(removal("Withdrawal", "withdrawn"))
	a.must(removal("Deregistration", "deregistered"))
	if _, err := a.hub.Redact(t.Context(), []hub.RedactRequest{{Index: 2, Ground: "personal"}}, "did:key:zOfficer", ""); err != nil {
		t.Fatal(err)
	}
	// B knows that they are gone.
	b := settle(t, "乙", "0b", days.set)
	befriend(t, a, b)
	b.finds(1, view.Question{})
	if err := r.peers().Resume(t.Context(), security, a.info.DID); err != nil {
		t.Fatal(err)
	}
	r.until("the relay hears of it", func() (string, bool) { l := r.logOf(a); return fmt.Sprint(l.Size), l.Size == 7 && l.Redacted == 1 })
	at := a.logEntry(t, 6)
	// From here on the relay gives the body that it kept, and denies the redaction.
	lying.lies(func(question string, asked, answer []byte) []byte {
		var q struct {
			Origin  string `json:"origin"`
			Digests []byte `json:"digests"`
		}
		if question != "documents" || json.Unmarshal(asked, &q) != nil || q.Origin != a.info.Origin {
			return answer
		}
		return givenInstead(answer, func(i int) ([]byte, bool) {
			switch d := vocab.Digest(q.Digests[32*i:]); d {
			case vocab.DigestOf(redacted):
				return redacted, true
			case at:
				return []byte("{}"), true
			}
			return nil, false
		})
	})
	befriend(t, b, r, relays)
	r.publish("r1")
	b.finds(2, view.Question{})
	// C has A's log from the lying relay alone.
	a.close()
	c := settle(t, "丙", "0c", days.set)
	for _, of := range []*town{a, r} {
		if _, err := c.peers().Add(t.Context(), security, invite(of), relays); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.peers().Add(t.Context(), security, invite(c), peering.Terms{}); err != nil {
		t.Fatal(err)
	}
	c.until("C has it from the relay", func() (string, bool) {
		l := c.logOf(a)
		return fmt.Sprintf("%d %d", l.Size, l.Missing), l.Size == 7 && l.Missing == 1
	})
	c.finds(3, view.Question{}) // r1, stays, and what it cannot know to be redacted
	a.open(t)
	if _, err := a.peers().Add(t.Context(), security, invite(c), peering.Terms{}); err != nil {
		t.Fatal(err)
	}
	c.until("A answers", func() (string, bool) {
		p, err := c.peers().Detail(t.Context(), security, a.info.DID)
		return fmt.Sprint(err), err == nil && p.Link != nil && p.Link.Connected
	})
	days.pass(day(0.1)) // what is missing is asked for again, now and then
	a.publish("a9")
	c.finds(3, view.Question{}) // r1, stays, a9
	c.until("it was redacted here too", func() (string, bool) {
		l := c.logOf(a)
		return fmt.Sprintf("%+v", l), l.Redacted == 1 && l.Missing == 0
	})
	for range 500 { // the index is built anew
		if !c.anywhere(secret) {
			break
		}
		c.until("time passes", func() (string, bool) { return "", true })
	}
	c.close()
	if where := find(t, c.config.Dir, secret); where != "" {
		t.Errorf("the redacted body is in %s", where)
	}
	c.open(t)
	c.finds(3, view.Question{})
}

// logEntry is the digest of an entry of the hub's log.
func (w *town) logEntry(t *testing.T, index uint64) vocab.Digest {
	t.Helper()
	var leaves []byte
	w.until("the entry is signed", func() (string, bool) {
		var err error
		leaves, err = w.peers().Answer(t.Context(), caller, "leaves", fmt.Appendf(nil, `{"origin":%q,"from":%d,"to":%d}`, w.info.Origin, index, index+1))
		return fmt.Sprint(err), err == nil
	})
	return vocab.Digest(leaves[10:42])
}

// anywhere reports whether a text is found.
func (w *town) anywhere(text string) bool {
	a, err := w.hub.Find(w.t.Context(), view.Question{Q: text})
	return err != nil || a.Total > 0
}

// find returns a file below dir that has a text in it.
func find(t *testing.T, dir, text string) (where string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			where = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return where
}
