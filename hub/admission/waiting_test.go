package admission

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub/access"
	"lianmu/vocab"
)

func TestTheNewestWaits(t *testing.T) {
	h := newHub(t)
	k := identitytest.Key(t)
	older := h.sign(k, `"@type":"Space","@id":%q,"name":"旧名"`, k.DID())
	newer := h.sign(k, `"@type":"Space","@id":%q,"name":"新名"`, k.DID())
	h.want(h.intake.Submit(t.Context(), newer), vocab.Waiting, "")
	h.want(h.intake.Submit(t.Context(), newer), vocab.Waiting, "") // again is harmless
	h.want(h.intake.Submit(t.Context(), older), vocab.Superseded, "")
	list := h.waiters()
	if len(list) != 1 || list[0].Space.Name["zh"] != "新名" || list[0].Digest != vocab.DigestOf(newer) {
		t.Fatalf("%+v", list)
	}
	// What the officer saw is not what waits now.
	h.want(h.present(k, "再换", "", ""), vocab.Waiting, "")
	_, err := h.Admit(t.Context(), h.review, k.DID(), "", list[0].Digest)
	wantCode(t, err, "space.descriptor")
	if h.log.Size() != 0 || len(h.waiters()) != 1 {
		t.Error("decided all the same")
	}
	// An invitation found later moves it up, and a repetition without keeps it.
	code, inv, err := h.Invite(t.Context(), h.review, "补", 0)
	if err != nil {
		t.Fatal(err)
	}
	h.want(h.present(k, "再换", "", code), vocab.Waiting, "")
	h.want(h.present(k, "又换", "", ""), vocab.Waiting, "")
	if list = h.waiters(); len(list) != 1 || list[0].Invitation != inv.ID || list[0].Space.Name["zh"] != "又换" {
		t.Errorf("%+v", list)
	}
}

func TestWaitingIsBounded(t *testing.T) {
	h := newHub(t)
	other := h.open()
	present := func(d *Desk, i int, invite string) vocab.Receipt {
		did := fmt.Sprintf("did:key:%d", i)
		raw := []byte(did)
		ctx := access.WithClaim(t.Context(), access.Claim{Client: did}) // each from elsewhere
		return d.Present(ctx, raw, &vocab.Space{DID: did, Name: vocab.Text{"zh": did}},
			identity.Secured{Space: did, Created: h.clock.now(), Digest: vocab.DigestOf(raw)}, invite)
	}
	for i := range maxUninvited {
		h.want(present(h.Desk, i, ""), vocab.Waiting, "")
	}
	h.want(present(h.Desk, -1, ""), vocab.Refused, "admission.full")
	h.want(present(h.Desk, 7, ""), vocab.Waiting, "") // who waits may come again
	code, _, err := h.Invite(t.Context(), h.review, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	h.want(present(h.Desk, -2, code), vocab.Waiting, "") // there is room for those invited
	for deadline := 0; ; deadline++ {                    // another process hears of them
		if n, _, _ := other.list.count(openPrefix); n == maxUninvited {
			break
		}
		if deadline > 500 {
			t.Fatal("another process does not know who waits")
		}
		time.Sleep(10 * time.Millisecond)
	}
	h.want(present(other, -3, ""), vocab.Refused, "admission.full")
	h.clock.move(uninvitedKept + time.Hour)
	h.want(present(h.Desk, -4, ""), vocab.Waiting, "")
	if n, _, _ := h.list.count(openPrefix); n != maxUninvited {
		t.Errorf("%d wait without an invitation", n)
	}
	big := []byte(strings.Repeat("x", MaxDescriptor+1))
	h.want(h.Present(t.Context(), big, &vocab.Space{}, identity.Secured{Space: "did:key:big"}, ""), vocab.Refused, "admission.large")

	// Found again after a restart.
	again := h.open()
	open, _, _ := again.list.count(openPrefix)
	invited, _, _ := again.list.count(invitedPrefix)
	if open != maxUninvited || invited != 1 || again.Count() != maxUninvited+1 {
		t.Errorf("%d and %d found again, %d in all", open, invited, again.Count())
	}
	if list := h.waiters(); len(list) != maxUninvited+1 || list[0].DID != "did:key:-2" || list[0].Document != nil {
		t.Errorf("%d listed, first %s", len(list), list[0].DID)
	}
}

// One client cannot fill the list; whoever is invited does not count.
func TestOneClientPresentsFew(t *testing.T) {
	h := newHub(t)
	from := func(client string, i int, invite string) vocab.Receipt {
		did := fmt.Sprintf("did:key:%d", i)
		raw := []byte(did)
		return h.Present(access.WithClaim(t.Context(), access.Claim{Client: client}), raw, &vocab.Space{DID: did, Name: vocab.Text{"zh": did}},
			identity.Secured{Space: did, Created: h.clock.now(), Digest: vocab.DigestOf(raw)}, invite)
	}
	for i := range uninvitedAt {
		h.want(from("192.0.2.9", i, ""), vocab.Waiting, "")
	}
	r := from("192.0.2.9", 100, "")
	h.want(r, vocab.Refused, "admission.rate")
	if m := r.Problems[0].Message; !strings.Contains(m["zh"], "邀请码") || !strings.Contains(m["en"], "invitation") {
		t.Errorf("it does not say what to do: %v", m)
	}
	h.want(from("192.0.2.9", 3, ""), vocab.Waiting, "") // who waits may come again
	h.want(from("192.0.2.10", 101, ""), vocab.Waiting, "")
	code, _, err := h.Invite(t.Context(), h.review, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	h.want(from("192.0.2.9", 102, code), vocab.Waiting, "")
	h.clock.move(uninvitedEvery)
	h.want(from("192.0.2.9", 103, ""), vocab.Waiting, "")
	h.want(from("192.0.2.9", 104, ""), vocab.Refused, "admission.rate")
	if n := h.Count(); n != uninvitedAt+3 {
		t.Errorf("%d wait", n)
	}
}

func TestWhatIsOdd(t *testing.T) {
	h := newHub(t)
	admitted := h.admitted("港口空间")
	cases := map[string]struct {
		name, more string
		want       []string
	}{
		"nothing":     {"工业空间", strings.Replace(fullDescriptor, "91512081MA62K0260E", "12430000MB0L046927", 1), nil},
		"bare":        {"空", "", []string{"odd.operator", "odd.contact"}},
		"same name":   {" 港口 空间", `,"contact":{"email":"a@b.cn"},"operator":{"name":"x","uscc":"12430000MB0L046927"}`, []string{"odd.name"}},
		"same code":   {"物流空间", fullDescriptor, []string{"odd.uscc"}},
		"no code":     {"无码", `,"contact":{"email":"a@b.cn"},"operator":{"name":"某公司"}`, []string{"odd.uscc"}},
		"personal":    {"个人空间", `,"spaceType":"个人"`, []string{"odd.operator", "odd.personal", "odd.contact"}},
		"plain http":  {"明文", `,"endpoint":["http://a.example/x"]`, []string{"odd.operator", "odd.endpoint", "odd.contact"}},
		"inner":       {"内网", `,"endpoint":["https://10.1.2.3/x","https://localhost/x","https://nas/x"]`, []string{"odd.operator", "odd.endpoint", "odd.endpoint", "odd.endpoint", "odd.contact"}},
		"foreign key": {"借钥", fmt.Sprintf(`,"key":[%q]`, admitted.DID()), nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			k := identitytest.Key(t)
			r := h.present(k, tc.name, tc.more, "")
			if name == "foreign key" { // refused before it comes here
				h.want(r, vocab.Refused, "key.taken")
				return
			}
			h.want(r, vocab.Waiting, "")
			list := h.waiters()
			i := slices.IndexFunc(list, func(a Applicant) bool { return a.DID == k.DID() })
			var got []string
			for _, p := range list[i].Odd {
				got = append(got, p.Code)
				for _, lang := range []string{"zh", "en"} {
					if m := p.Message[lang]; m == "" || strings.Contains(m, "%!") {
						t.Errorf("bad %s message %q", lang, m)
					}
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
			if _, err := h.Reject(t.Context(), h.review, k.DID(), "试验", vocab.Digest{}); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Run("two that wait", func(t *testing.T) {
		shared := identitytest.Key(t)
		a, b := identitytest.Key(t), identitytest.Key(t)
		for _, k := range []*identity.Key{a, b} {
			raw := h.signBoth(k, []identity.Signer{shared}, `"@type":"Space","@id":%q,"name":"双生空间","contact":{"email":"a@b.cn"},
				"operator":{"name":"x","uscc":"12430000MB0L046927"},"key":[%q,%q]`, k.DID(), k.DID(), shared.DID())
			h.want(h.intake.Submit(t.Context(), raw), vocab.Waiting, "")
		}
		for _, x := range h.waiters() {
			var got []string
			for _, p := range x.Odd {
				got = append(got, p.Code)
			}
			if !slices.Equal(got, []string{"odd.name", "odd.uscc", "odd.key"}) {
				t.Errorf("%s: %v", x.DID, x.Odd)
			}
		}
	})
	if _, err := h.Waiting(t.Context(), access.Who{Roles: []access.Role{access.Anonymous}}); err == nil {
		t.Error("anybody can read the waiting list")
	}
}

func TestRejection(t *testing.T) {
	h := newHub(t)
	k := identitytest.Key(t)
	_, err := h.Reject(t.Context(), h.review, k.DID(), "无", vocab.Digest{})
	wantCode(t, err, "space.not_waiting")
	raw := h.sign(k, `"@type":"Space","@id":%q,"name":"港口"`, k.DID())
	h.want(h.intake.Submit(t.Context(), raw), vocab.Waiting, "")
	_, err = h.Reject(t.Context(), h.review, k.DID(), " ", vocab.Digest{})
	wantCode(t, err, "request.missing")
	if r, err := h.Reject(t.Context(), h.review, k.DID(), "材料不全", vocab.Digest{}); err != nil || r.Status != vocab.Accepted {
		t.Fatalf("%+v, %v", r, err)
	}
	if len(h.waiters()) != 0 {
		t.Error("still on the list")
	}
	h.want(h.intake.Submit(t.Context(), raw), vocab.Refused, "space.rejected")
	h.want(h.publish(k, "a"), vocab.Refused, "space.rejected")
	h.want(h.present(k, "港口", fullDescriptor, ""), vocab.Waiting, "")
	list := h.waiters()
	if len(list) != 1 || len(list[0].Odd) != 1 || list[0].Odd[0].Code != "odd.rejected" || !strings.Contains(list[0].Odd[0].Message["zh"], "材料不全") {
		t.Errorf("%+v", list)
	}
	if _, err := h.Admit(t.Context(), h.review, k.DID(), "", vocab.Digest{}); err != nil {
		t.Fatal(err)
	}
	h.want(h.publish(k, "a"), vocab.Accepted, "")
}
