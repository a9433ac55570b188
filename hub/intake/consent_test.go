package intake

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/vocab"
)

// A consent comes into the log only where its holder operates the space or is its
// participant under the key that has signed too; every refusal says what to do.
func TestConsents(t *testing.T) {
	const company, other = "91512081MA62K0260E", "12430000MB0L046927"
	b := newBench(t)
	hub := b.hubKey()
	holder, thief := identitytest.Key(t), identitytest.Key(t)
	signed := func(members string, o identity.SignOptions, also ...identity.Signer) []byte {
		t.Helper()
		o.Created = b.at.Next(time.Now())
		return identitytest.Sign(t, `{"@context":"https://w3id.org/lianmu/v1",`+members+`}`, b.key, o, also...)
	}
	submit := func(members string, also ...identity.Signer) vocab.Receipt {
		t.Helper()
		return b.Submit(t.Context(), signed(members, identity.SignOptions{}, also...))
	}
	consent := func(id, subject, more string) string {
		return `"@type":"ListingConsent","@id":"urn:` + id + `","subjectCode":"` + subject + `","productCode":"691512081MA62K0260E31000000000A*","space":"did:web:b.example"` + more
	}
	did := `,"did":"` + holder.DID() + `"`
	want := func(name string, r vocab.Receipt, code string) {
		t.Helper()
		switch {
		case code == "" && (r.Status != vocab.Accepted || r.Kind != "consent"):
			t.Errorf("%s: %s", name, text(r))
		case code == "":
		case r.Status != vocab.Refused || len(r.Problems) != 1 || r.Problems[0].Code != code:
			t.Errorf("%s: want %s, got %s", name, code, text(r))
		case r.Problems[0].Message["zh"] == "" || strings.Contains(fmt.Sprint(r.Problems[0].Message), "%!"):
			t.Errorf("%s: %v", name, r.Problems[0].Message)
		}
	}
	accepted := func(members string) {
		t.Helper()
		if r := submit(members); r.Status != vocab.Accepted {
			t.Fatal(text(r))
		}
	}
	descriptor := func(operator string) string {
		return `"@type":"Space","@id":"` + b.key.DID() + `","name":"甲空间","operator":{"name":"运营公司","uscc":"` + operator + `"}`
	}
	accepted(descriptor(company))
	want("nobody has decided", submit(consent("a", company, "")), "consent.undecided")
	raw := identitytest.Sign(t, `{"@context":"https://w3id.org/lianmu/v1","@type":"Admission","@id":"urn:uuid:0f3c2f6e-4f0a-4c56-9d7b-0d4f6a3d1c11","space":"`+b.key.DID()+`","by":"x"}`, hub,
		identity.SignOptions{Created: time.Now()})
	if r := b.SubmitOwn(t.Context(), raw); r.Status != vocab.Accepted {
		t.Fatal(text(r))
	}
	want("the operator's", submit(consent("a", company, "")), "")
	want("of a product that is another's", submit(consent("b", other, "")), "consent.holder")
	want("not for everybody", submit(consent("b", company, `,"audience":"space"`)), "consent.public")

	accepted(descriptor(other))
	want("somebody's who does not operate it", submit(consent("b", company, "")), "consent.holder")
	want("who has not signed", submit(consent("b", company, did)), "consent.unsigned")
	want("signed by another", submit(consent("b", company, did), thief), "consent.unsigned")
	want("who is no participant", submit(consent("b", company, did), holder), "consent.holder")
	accepted(`"@type":"Participant","@id":"urn:p","subjectCode":"` + company + `","name":"示例公司","did":"` + thief.DID() + `"`)
	want("who has another key", submit(consent("b", company, did), holder), "consent.holder")
	accepted(`"@type":"Participant","@id":"urn:p","subjectCode":"` + company + `","name":"示例公司","did":"` + holder.DID() + `"`)
	want("a participant's", submit(consent("b", company, did), holder), "")
	want("signed by others too", submit(consent("c", company, did), thief, holder), "")

	short, err := identity.Cosign(signed(consent("d", company, did), identity.SignOptions{}), identity.SignOptions{Created: time.Now(), Expires: time.Now().Add(time.Hour)}, holder)
	if err != nil {
		t.Fatal(err)
	}
	want("whose signature ends before the space's", b.Submit(t.Context(), short), "consent.expires")
	both, err := identity.Cosign(signed(consent("d", company, did), identity.SignOptions{Expires: time.Now().Add(time.Minute)}), identity.SignOptions{Created: time.Now(), Expires: time.Now().Add(time.Hour)}, holder)
	if err != nil {
		t.Fatal(err)
	}
	want("who signed beside the space, elsewhere", b.Submit(t.Context(), both), "")

	forged := signed(consent("d", company, did), identity.SignOptions{}, holder)
	forged = []byte(strings.Replace(string(forged), "b.example", "c.example", 1))
	if r := b.Submit(t.Context(), forged); r.Status != vocab.Refused || r.Problems[0].Code != "proof.invalid" {
		t.Errorf("altered: %s", text(r))
	}
	accepted(`"@type":"Withdrawal","@id":"urn:p"`)
	want("who has left", submit(consent("e", company, did), holder), "consent.holder")
	accepted(`"@type":"Withdrawal","@id":"urn:b"`)

	// Who mirrors the log, without what is not public, comes to the same.
	here, _ := b.c.Registry.Space(b.key.DID())
	there, _ := b.publicOnly(hub.DID()).Registry().Space(b.key.DID())
	if here.Consents != 3 || there.Consents != 3 {
		t.Errorf("%d consents here, %d there", here.Consents, there.Consents)
	}
	for i, id := range []string{"urn:a", "urn:b"} {
		if !b.c.Registry.PublicBefore(vocab.KeyOf(b.key.DID(), id), b.c.Log.Size()) {
			t.Errorf("%d: that it is withdrawn is not for everybody", i)
		}
	}
}
