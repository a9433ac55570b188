package hub_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"lianmu/hub/peering"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// What no hub may keep stands in another hub's log: of it the leaf record and the
// reason are kept, and no file has a word of it, whether it came at once or late,
// signed or not. What goes on to others is that there is such an entry.
func TestStandNothingForbiddenOnDisk(t *testing.T) {
	t.Parallel()
	const secret, number = "甲乙丙工程X9Y8ZZTOP", "13800138000"
	var days clock
	b, c := settle(t, "乙", "0b", days.set), settle(t, "丙", "0c")
	f := newForger(t).offers("1")
	var late vocab.Digest
	var body []byte
	f.change(func() {
		raw := f.tree.say(t, vocab.KindOffering, f.space, offering("2", secret, `"securityLevel":"绝密"`))
		f.tree.write(t, vocab.KindOffering, bytes.Replace(raw, []byte("甲乙丙"), []byte("甲乙丁"), 1)) // the signature is wrong
		f.tree.write(t, vocab.KindOffering, append(bytes.Clone(raw), '}'))                       // and this cannot be read
		f.tree.say(t, vocab.KindOffering, f.space, offering("3", secret, `"importance":"核心"`))
		f.tree.say(t, vocab.KindParticipant, f.space, `{"@context":"https://w3id.org/lianmu/v1","@id":"https://space.example/p1","@type":"Participant","name":"张三，`+number+`","uscc":"91512081MA62K0260E"}`)
		body = f.tree.say(t, vocab.KindOffering, f.space, offering("4", secret, `"密级":"机密"`))
		late = vocab.DigestOf(body)
		f.tree.documents[late] = nil // withheld at first
	})
	f.offers("5")
	befriend(t, b, c)
	if _, err := c.peers().Approve(t.Context(), security, b.info.DID, relays); err != nil {
		t.Fatal(err)
	}
	b.add(f)
	b.until("one is withheld", func() (string, bool) {
		l := b.mirrorOf(f)
		return fmt.Sprintf("%+v", l), l.Size == 8 && l.Withheld == 1
	})
	f.change(func() { f.tree.documents[late] = body })
	days.pass(day(0.1))
	f.offers("6")
	b.until("none is lacking", func() (string, bool) {
		l := b.mirrorOf(f)
		return fmt.Sprintf("%+v", l), l.Size == 9 && l.Faulty == 6 && l.Withheld+l.Missing == 0
	})
	faults, err := b.peers().Faults(t.Context(), security, f.origin)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]int{}
	for _, x := range faults {
		codes[x.Problem.Code]++
		if s := fmt.Sprint(x.Problem); strings.Contains(s, "ZZTOP") || strings.Contains(s, number) {
			t.Errorf("the reason quotes it: %s", s)
		}
	}
	if codes["level.forbidden"] != 4 || codes["participant.personal"] != 1 || len(faults) != 6 {
		t.Errorf("%v", codes)
	}
	c.until("C has what goes on", func() (string, bool) {
		l := c.mirrorOf(f)
		return fmt.Sprintf("%+v", l), l.Size == 9 && l.Withheld == 6 && l.Missing+l.Faulty == 0
	})
	for _, w := range []*town{b, c} {
		w.finds(3, view.Question{})
		w.close()
		for _, text := range []string{"ZZTOP", number} {
			if where := find(t, w.config.Dir, text); where != "" {
				t.Errorf("%s is in %s", text, where)
			}
		}
	}
	// Opened anew it is as it was, and log verify has nothing to say against it.
	b.open(t)
	b.until("it is as it was", func() (string, bool) {
		l := b.mirrorOf(f)
		return fmt.Sprintf("%+v", l), l.Size == 9 && l.Faulty == 6 && l.State == peering.Current
	})
	b.finds(3, view.Question{})
}
