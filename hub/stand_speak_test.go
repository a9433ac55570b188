package hub_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub/bus"
	"lianmu/hub/bus/bustest"
	"lianmu/vocab"
)

// Whoever was not admitted can present a descriptor and nothing else, and sees
// nothing by having presented it.
func TestStandNewcomer(t *testing.T) {
	t.Parallel()
	s := closed(t)
	victim := s.space("受害空间")
	victim.must(offering("inner", "内部产品", `"audience":"space"`))
	victim.must(offering("open", "公开产品", `"audience":"public"`))
	n := s.newcomer(nil)
	try := func(when, code string) {
		t.Helper()
		n.refused(when+": an offering", n.sign(offering("a", "抢先产品")), code)
		n.refused(when+": a participant", n.sign(`{"@context":"https://w3id.org/lianmu/v1","@type":"Participant","@id":"urn:p:1","subjectCode":"91512081MA62K0260E","name":"某公司"}`), code)
		n.refused(when+": a withdrawal", n.sign(removal("Withdrawal", "open")), code)
		n.refused(when+": a deregistration", n.sign(removal("Deregistration", "open")), code)
		s.level()
		var a struct{ Total int }
		if n.getAs(n.key, "/api/v1/search", &a); a.Total != 1 {
			t.Errorf("%s: it finds %d offerings", when, a.Total)
		}
	}
	try("before", "space.unadmitted")
	if got := n.submit(n.sign(descriptor(n.key.DID(), "新空间", ""))); got.Status != vocab.Waiting || got.Log != nil {
		t.Fatalf("descriptor: %+v", got)
	}
	try("while it waits", "space.unadmitted")
	s.act(n.key.DID(), `{"verb":"Rejection","reason":"材料不全"}`)
	try("rejected", "space.rejected")
	for path, order := range map[string]string{
		"/api/v1/spaces/" + url.PathEscape(n.key.DID()) + "/acts":      `{"verb":"Admission"}`,
		"/api/v1/spaces/" + url.PathEscape(victim.key.DID()) + "/acts": `{"verb":"Suspension","reason":"x"}`,
		"/api/v1/redactions":  `{"entries":[2],"ground":"authority","reason":"x"}`,
		"/api/v1/invitations": `{"note":"x"}`,
	} {
		for whose, key := range map[string]*identity.Key{"the newcomer": n.key, "a space": victim.key} {
			if status, body := n.post(key, path, order); status != http.StatusForbidden {
				t.Errorf("%s to %s: status %d %s", whose, path, status, body)
			}
		}
		if status, body := n.post(nil, path, order); status != http.StatusUnauthorized {
			t.Errorf("nobody to %s: status %d %s", path, status, body)
		}
	}
	s.clean()
}

// A space speaks for itself alone, whatever way it tries to speak for another.
func TestStandNobodySpeaksForAnother(t *testing.T) {
	t.Parallel()
	s := closed(t)
	victim, mallory := s.space("受害空间"), s.space("作恶空间")
	old, _ := victim.must(offering("a", "旧版", `"audience":"public"`))
	gone, _ := victim.must(removal("Withdrawal", "a"))
	newest, _ := victim.must(offering("a", "新版", `"audience":"public"`))
	unsent := victim.sign(offering("b", "还没有发布", `"audience":"public"`))

	t.Run("on another's subject", func(t *testing.T) {
		heard := make(chan error, 1)
		nc := bustest.Connect(t, s.info.NATS, s.info.DID, mallory.key, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			select {
			case heard <- err:
			default:
			}
		}))
		before := s.hub.Info().LogSize
		for _, raw := range [][]byte{unsent, mallory.sign(offering("m", "冒名"))} {
			if err := nc.PublishRequest(bus.SubmitPrefix+bus.SpaceToken(victim.key.DID()), nc.NewInbox(), raw); err != nil {
				t.Fatal(err)
			}
			if err := nc.Flush(); err != nil {
				t.Fatal(err)
			}
			if err := <-heard; !strings.Contains(strings.ToLower(err.Error()), "permissions violation") {
				t.Errorf("%v", err)
			}
		}
		if after := s.hub.Info().LogSize; after != before {
			t.Errorf("the log grew from %d to %d", before, after)
		}
	})
	t.Run("another's document as its own", func(t *testing.T) {
		for _, raw := range [][]byte{unsent, old, gone, newest} {
			if got := mallory.submit(raw); got.Status != vocab.Refused || got.Problems[0].Code != "subject.space" {
				t.Errorf("%+v", got)
			}
		}
		// Over HTTP nobody has a subject; repeating what the victim said changes
		// nothing of it, and an older version never stands again.
		for what, raw := range map[string][]byte{"old": old, "withdrawal": gone, "newest": newest} {
			if got := mallory.over(raw); got.Status == vocab.Accepted || got.Space != victim.key.DID() {
				t.Errorf("%s: %+v", what, got)
			}
		}
	})
	t.Run("another's offering", func(t *testing.T) {
		mallory.refused("a withdrawal", mallory.sign(removal("Withdrawal", "a")), "offering.unknown")
		mallory.refused("a deregistration", mallory.sign(removal("Deregistration", "a")), "offering.unknown")
		mallory.must(offering("a", "同名的另一件", `"audience":"public"`)) // is another offering
		mallory.must(removal("Deregistration", "a"))
		forged := strings.Replace(string(newest), "新版", "篡改", 1)
		mallory.refused("an altered one", []byte(forged), "proof.invalid")
	})
	t.Run("another's name and keys", func(t *testing.T) {
		theirs, mine := victim.key.DID(), mallory.key.DID()
		mallory.refused("another's descriptor", mallory.sign(descriptor(theirs, "冒名", "")), "space.other")
		mallory.refused("another's key as one's own", mallory.sign(descriptor(mine, "作恶空间", fmt.Sprintf(`,"key":[%q,%q]`, mine, theirs))), "key.taken")
		hubs := fmt.Sprintf(`,"key":[%q,%q]`, mine, s.info.DID)
		if got := mallory.submit(mallory.sign(descriptor(mine, "作恶空间", hubs))); got.Status == vocab.Accepted {
			t.Errorf("the hub's own key: %+v", got)
		}
	})
	t.Run("for the hub", func(t *testing.T) {
		for _, key := range []*identity.Key{mallory.key, s.key} { // the latter: hub.key in the wrong hands, without its machine
			for _, doc := range []string{
				fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@type":"Suspension","@id":"urn:uuid:0f3c2f6e-4f0a-4c56-9d7b-0d4f6a3d1c11","space":%q,"reason":"x","by":"x"}`, victim.key.DID()),
				fmt.Sprintf(`{"@context":"https://w3id.org/lianmu/v1","@type":"KeyReplacement","@id":"urn:uuid:0f3c2f6e-4f0a-4c56-9d7b-0d4f6a3d1c12","space":%q,"reason":"x","by":"x","keys":[%q],"evidence":"1"}`, victim.key.DID(), mallory.key.DID()),
				`{"@context":"https://w3id.org/lianmu/v1","@type":"Redaction","@id":"urn:uuid:0f3c2f6e-4f0a-4c56-9d7b-0d4f6a3d1c13","index":2,"leaf":"AQEAAAGTTM9wAA","ground":"personal","by":"x"}`,
			} {
				raw := identitytest.Sign(t, doc, key, identity.SignOptions{Created: time.Now()})
				if got := mallory.over(raw); got.Status != vocab.Refused || got.Problems[0].Code != "kind.reserved" || got.Log != nil {
					t.Errorf("%s: %+v", doc, got)
				}
			}
		}
	})
	var d struct {
		Offering struct{ Title map[string]string }
	}
	s.level()
	if status := s.get("/api/v1/offerings/"+url.PathEscape(victim.key.DID())+"/"+url.PathEscape("https://space.example/a"), &d); status != http.StatusOK || d.Offering.Title["zh"] != "新版" {
		t.Errorf("the victim's offering is now %d %v", status, d)
	}
	s.clean()
}

// What a client writes into NATS headers is nothing to the hub: the hints of the
// log, the conditions of a batch, who asks.
func TestStandHeadersOverNATS(t *testing.T) {
	t.Parallel()
	s := closed(t)
	victim, mallory := s.space("受害空间"), s.space("作恶空间")
	m := nats.NewMsg(bus.SubmitPrefix + bus.SpaceToken(mallory.key.DID()))
	m.Data = mallory.sign(offering("a", "产品", `"audience":"public"`))
	info := fmt.Sprintf(`{"user":%q,"host":"192.0.2.7","id":7}`, bus.SpaceToken(victim.key.DID())+"@192.0.2.7")
	for name, value := range map[string]string{
		"Lianmu-Space": victim.key.DID(), "Lianmu-Signer": victim.key.DID(), "Lianmu-Kind": "7", "Lianmu-Id": "urn:other", "Lianmu-Created": "2001-01-01T00:00:00Z",
		"Nats-Expected-Last-Sequence": "0", "Nats-Batch-Id": "x", "Nats-Batch-Sequence": "1", "Nats-Rollup": "all", "Nats-Msg-Id": "1",
		"Nats-Expected-Stream": "other", "Nats-TTL": "1s", "Nats-Request-Info": info,
		"Lianmu-Invite": strings.Repeat("X", 5000),
	} {
		m.Header.Set(name, value)
	}
	answer, err := mallory.conn.RequestMsg(m, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(answer.Data); !strings.Contains(text, `"accepted"`) || !strings.Contains(text, mallory.key.DID()) || strings.Contains(text, victim.key.DID()) {
		t.Errorf("answered %s", text)
	}
	victim.must(offering("inner", "内部产品", `"audience":"space"`))
	s.level()
	q := nats.NewMsg(bus.Search)
	q.Header.Set("Nats-Request-Info", info)
	q.Data = []byte(`{"q":""}`)
	if answer, err = mallory.conn.RequestMsg(q, 10*time.Second); err != nil || strings.Contains(string(answer.Data), "内部产品") {
		t.Errorf("who says that it is another sees %s, %v", answer.Data, err)
	}
	s.clean()
}

// However a reply subject is chosen, no receipt becomes an entry, a record, or a
// message to another; the bus's own test tries the same with every subject.
func TestStandReplySubjects(t *testing.T) {
	t.Parallel()
	s := closed(t)
	victim, mallory := s.space("受害空间"), s.space("作恶空间")
	before := s.hub.Info().LogSize
	replies := []string{
		bus.LogSubjects + "offering", bus.LogSubjects + "act", bus.AuditPrefix + "done", bus.QuarantinePrefix + "refused",
		"$KV." + bus.AdmissionBucket + ".x", "$JS.API.STREAM.MSG.DELETE." + bus.LogStream, "$JS.API.STREAM.PURGE." + bus.AuditStream,
		bus.InboxPrefix(bus.SpaceToken(victim.key.DID())) + ".x", bus.SubmitPrefix + bus.SpaceToken(victim.key.DID()), bus.Search,
	}
	for i, reply := range replies {
		if err := mallory.conn.PublishRequest(bus.SubmitPrefix+bus.SpaceToken(mallory.key.DID()), reply, mallory.sign(offering(fmt.Sprint("r", i), "产品"))); err != nil {
			t.Fatal(err)
		}
	}
	mallory.must(offering("last", "产品"))
	victim.must(offering("v", "产品"))
	if after := s.hub.Info().LogSize; after != before+uint64(len(replies))+2 {
		t.Errorf("the log grew from %d to %d of %d submissions", before, after, len(replies)+2)
	}
	if status := s.getAs(s.key, "/api/v1/audit?limit=100", nil); status != http.StatusOK {
		t.Errorf("the trail: status %d", status)
	}
	s.clean()
}
