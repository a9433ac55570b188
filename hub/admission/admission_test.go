package admission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/federation/ledger"
	"lianmu/federation/registry"
	"lianmu/hub/access"
	"lianmu/hub/audit"
	"lianmu/hub/bus"
	"lianmu/hub/intake"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// clock is the true time, moved by the test.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return time.Now().Add(c.ahead) }

func (c *clock) move(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.ahead += d }

// hub is a desk on a real bus, log, registry and intake.
type hub struct {
	*Desk
	t        *testing.T
	clock    *clock
	bus      *bus.Bus
	key      *identity.Key
	log      *ledger.Log
	registry *registry.Registry
	intake   *intake.Intake
	trail    *audit.Trail
	review   access.Who
	security access.Who
	stamp    identity.Stamp

	mu       sync.Mutex // guards redacted and broken
	redacted [][]Redacted
	broken   error // what a redaction answers
	fail     func(raw []byte) bool
	alone    bool // nobody else holds any right
}

func newHub(t *testing.T) *hub {
	t.Helper()
	dir, log := t.TempDir(), slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	fatal := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	h := &hub{t: t, clock: &clock{}, key: identitytest.Key(t), registry: registry.New()}
	h.review = access.Who{Via: access.ViaToken, DID: identitytest.Key(t).DID(), Roles: []access.Role{access.Review}, Client: "192.0.2.1"}
	h.security = access.Who{Via: access.ViaToken, DID: identitytest.Key(t).DID(), Roles: []access.Role{access.Security}, Client: "192.0.2.2"}
	var err error
	h.bus, err = bus.Start(t.Context(), bus.Config{Dir: filepath.Join(dir, "js"), Logger: log})
	fatal(err)
	t.Cleanup(func() { _ = h.bus.Stop(context.Background()) })
	h.log, err = ledger.Open(t.Context(), ledger.Config{
		JetStream: h.bus.JetStream, Stream: bus.LogStream, State: h.bus.State(), Dir: filepath.Join(dir, "log"),
		Origin: "hub.example", Seed: bytes.Repeat([]byte{1}, 32), Now: h.clock.now, Logger: log,
	})
	fatal(err)
	t.Cleanup(func() { _ = h.log.Close(context.Background()) })
	h.trail, err = audit.Open(t.Context(), h.bus.JetStream, audit.Config{Now: h.clock.now, Logger: log})
	fatal(err)
	t.Cleanup(func() { _ = h.trail.Close(context.Background()) })
	reader, err := shape.NewReader()
	fatal(err)
	h.intake = intake.New(intake.Config{
		Log: h.log, Registry: h.registry, Processor: jsonld.New(jsonld.Limits{}), Reader: reader, HubDID: h.key.DID(),
		Present: func(ctx context.Context, a intake.Applicant) vocab.Receipt {
			ctx = access.WithClaim(ctx, access.Claim{Client: a.Client})
			sec := identity.Secured{Space: a.Fact.Space, Created: a.Fact.Created, Expires: a.Fact.Expires, Digest: a.Fact.Digest, Content: a.Fact.Content}
			return h.Present(ctx, a.Raw, a.Space, sec, a.Invite)
		},
		MayRead: func(vocab.Reader, ledger.Record) bool { return true }, Now: h.clock.now, Logger: log,
	})
	t.Cleanup(h.intake.Close)
	h.Desk = h.open()
	return h
}

// open is another desk on the same hub.
func (h *hub) open() *Desk {
	h.t.Helper()
	d, err := Open(h.t.Context(), Config{
		Registry: h.registry, KV: h.bus.Admission(), Signer: h.key, Audit: h.trail, URL: "https://hub.example/", Now: h.clock.now,
		Another: func(string, ...access.Right) bool { return !h.alone },
		Submit: func(ctx context.Context, raw []byte) vocab.Receipt {
			if h.fail != nil && h.fail(raw) {
				return vocab.Receipt{Status: vocab.Busy}
			}
			return h.intake.SubmitOwn(ctx, raw)
		},
		Describe: func(ctx context.Context, index uint64) (vocab.EntryKind, string, error) {
			rec, err := h.log.Get(ctx, index)
			return rec.Fact.Kind, rec.Fact.ID, err
		},
		Redact: func(_ context.Context, entries []Redacted, by, second string) ([]vocab.Receipt, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			if by == second || len(entries) > MaxAlone && second == "" {
				h.t.Errorf("redacted by %q and %q", by, second)
			}
			if h.broken == nil {
				h.redacted = append(h.redacted, entries)
			}
			return make([]vocab.Receipt, len(entries)), h.broken
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(d.Close)
	return d
}

// sign signs a document in our context.
func (h *hub) sign(k *identity.Key, doc string, args ...any) []byte {
	h.t.Helper()
	return h.signBoth(k, nil, doc, args...)
}

// signBoth has further keys sign it too.
func (h *hub) signBoth(k *identity.Key, also []identity.Signer, doc string, args ...any) []byte {
	h.t.Helper()
	raw := identitytest.Sign(h.t, `{"@context":"https://w3id.org/lianmu/v1",`+fmt.Sprintf(doc, args...)+`}`, k,
		identity.SignOptions{Created: h.stamp.Next(h.clock.now())}, also...)
	return raw
}

const fullDescriptor = `,"spaceType":"企业","operator":{"name":"某公司","uscc":"91512081MA62K0260E"},"contact":{"email":"desk@example.cn"},
	"endpoint":[{"endpointType":"dsp","endpointURL":"https://space.example.cn/dsp"}]`

// present submits a space's descriptor as the space would.
func (h *hub) present(k *identity.Key, name, more, invite string) vocab.Receipt {
	h.t.Helper()
	raw := h.sign(k, `"@type":"Space","@id":%q,"name":%q%s`, k.DID(), name, more)
	ctx := access.WithClaim(h.t.Context(), access.Claim{Client: k.DID()}) // each space from elsewhere
	return h.intake.Submit(intake.WithInvite(ctx, invite), raw)
}

func (h *hub) publish(k *identity.Key, id string, more ...string) vocab.Receipt {
	h.t.Helper()
	return h.intake.Submit(h.t.Context(), h.sign(k, `"@type":"Dataset","@id":"https://space.example/%s","title":"港口数据"%s`, id, strings.Join(append([]string{""}, more...), ",")))
}

// admitted is a space that was let in.
func (h *hub) admitted(name string) *identity.Key {
	h.t.Helper()
	k := identitytest.Key(h.t)
	h.want(h.present(k, name, fullDescriptor, ""), vocab.Waiting, "")
	r, err := h.Admit(h.t.Context(), h.review, k.DID(), "资料齐全", vocab.Digest{})
	if err != nil {
		h.t.Fatal(err)
	}
	h.want(r, vocab.Accepted, "")
	return k
}

func (h *hub) want(r vocab.Receipt, status vocab.Status, code string) {
	h.t.Helper()
	if r.Status != status || code != "" && (len(r.Problems) == 0 || r.Problems[0].Code != code) {
		h.t.Fatalf("%s %v, want %s %s", r.Status, r.Problems, status, code)
	}
}

func (h *hub) standing(k *identity.Key) registry.Standing {
	st, _ := h.registry.Space(k.DID())
	return st.Standing
}

func (h *hub) waiters() []Applicant {
	h.t.Helper()
	list, err := h.Waiting(h.t.Context(), h.review)
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}

// last is the newest record of the trail.
func (h *hub) last() audit.Record {
	h.t.Helper()
	items, _, err := h.trail.List(h.t.Context(), 0, 1, audit.Filter{})
	if err != nil || len(items) == 0 {
		h.t.Fatalf("%v, %v", items, err)
	}
	return items[0]
}

func wantCode(t *testing.T, err error, want string) {
	t.Helper()
	var ps vocab.Problems
	if !errors.As(err, &ps) || ps[0].Code != want {
		t.Fatalf("got %v, want %s", err, want)
	}
	for _, lang := range []string{"zh", "en"} {
		if m := ps[0].Message[lang]; m == "" || strings.Contains(m, "%!") {
			t.Errorf("bad %s message %q", lang, m)
		}
	}
}

func TestFromInvitationToAdmission(t *testing.T) {
	h := newHub(t)
	code, inv, err := h.Invite(t.Context(), h.review, "上海某公司", 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(code) != codeLength || h.Link(code) != "https://hub.example/join#"+code || inv.Expires.Sub(inv.Created) != DefaultInvitation {
		t.Errorf("%s %s %+v", code, h.Link(code), inv)
	}
	k := identitytest.Key(t)
	h.want(h.publish(k, "a"), vocab.Refused, "space.unadmitted")
	h.want(h.present(k, "港口空间", fullDescriptor, strings.ToLower(code[:5]+"-"+code[5:])), vocab.Waiting, "")
	if h.log.Size() != 0 {
		t.Errorf("%d entries before anything was decided", h.log.Size())
	}
	list := h.waiters()
	if len(list) != 1 || list[0].DID != k.DID() || list[0].Note != "上海某公司" || list[0].Invitation != inv.ID || len(list[0].Odd) != 0 {
		t.Fatalf("%+v", list)
	}
	if r, ok, err := h.State(t.Context(), k.DID()); !ok || err != nil || r.Status != vocab.Waiting || r.Digest != list[0].Digest {
		t.Errorf("%+v %v %v", r, ok, err)
	}
	r, err := h.Admit(t.Context(), h.review, k.DID(), "资料齐全", list[0].Digest)
	if err != nil || r.Status != vocab.Accepted || len(r.Warnings) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if last := h.last(); last.Outcome != audit.Done || last.Who != h.review.DID || last.Act != "space.admit" || last.Object != k.DID() || last.From != "192.0.2.1" {
		t.Errorf("%+v", last)
	}
	st, _ := h.registry.Space(k.DID())
	if st.Standing != registry.Admitted || st.Space.Name["zh"] != "港口空间" || st.Reason != "资料齐全" || len(h.waiters()) != 0 || h.log.Size() != 2 {
		t.Errorf("%+v, %d entries", st, h.log.Size())
	}
	h.want(h.publish(k, "a"), vocab.Accepted, "")
	if r, err := h.Admit(t.Context(), h.review, k.DID(), "", vocab.Digest{}); err != nil || r.Status != vocab.Unchanged {
		t.Errorf("admitted again: %+v, %v", r, err)
	}
	invs, err := h.Invitations(t.Context(), h.review)
	if err != nil || len(invs) != 1 || invs[0].UsedBy != k.DID() || invs[0].Open(h.clock.now()) {
		t.Errorf("%+v, %v", invs, err)
	}
}

func TestInvitations(t *testing.T) {
	h := newHub(t)
	make1 := func(ttl time.Duration) (string, Invitation) {
		t.Helper()
		code, inv, err := h.Invite(t.Context(), h.review, "", ttl)
		if err != nil {
			t.Fatal(err)
		}
		return code, inv
	}
	used, _ := make1(0)
	first := identitytest.Key(t)
	h.want(h.present(first, "一", "", used), vocab.Waiting, "")
	h.want(h.present(first, "一改", "", used), vocab.Waiting, "") // one use is one space
	revoked, inv := make1(0)
	if err := h.Revoke(t.Context(), h.review, inv.ID); err != nil {
		t.Fatal(err)
	}
	wantCode(t, h.Revoke(t.Context(), h.review, "0123456789ab"), "invitation.unknown")
	expired, _ := make1(time.Hour)
	h.clock.move(2 * time.Hour)
	for code, want := range map[string]string{
		used: "invitation.used", revoked: "invitation.unknown", expired: "invitation.expired",
		newCode(): "invitation.unknown", "x": "invitation.unknown", strings.Repeat("A", 1<<16): "invitation.unknown", "../waiting": "invitation.unknown",
	} {
		h.want(h.present(identitytest.Key(t), "另一", "", code), vocab.Refused, want)
	}
	if n := len(h.waiters()); n != 1 {
		t.Errorf("%d wait", n)
	}
	for _, ttl := range []time.Duration{-time.Hour, time.Second, MaxInvitation + 1} {
		_, _, err := h.Invite(t.Context(), h.review, "", ttl)
		wantCode(t, err, "request.range")
	}
	_, _, err := h.Invite(t.Context(), h.review, "a\nb", 0)
	wantCode(t, err, "request.text")
	_, _, err = h.Invite(t.Context(), h.security, "", 0)
	wantCode(t, err, "access.forbidden")
	// No code is anywhere in the store or the trail.
	items, _, err := h.trail.List(t.Context(), 0, 100, audit.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := h.bus.Admission().Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	fmt.Fprint(&all, items)
	for _, k := range keys {
		e, err := h.bus.Admission().Get(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(&all, k, string(e.Value()))
	}
	for _, code := range []string{used, revoked, expired} {
		if strings.Contains(all.String(), code) {
			t.Error("a code is kept")
		}
	}
}

func TestGuessingCodes(t *testing.T) {
	h := newHub(t)
	code, _, err := h.Invite(t.Context(), h.review, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	from := func(client, code string) error {
		_, err := h.redeem(access.WithClaim(t.Context(), access.Claim{Client: client}), code, "did:key:x")
		return err
	}
	for range guessesAt {
		wantCode(t, from("192.0.2.9", newCode()), "invitation.unknown")
	}
	wantCode(t, from("192.0.2.9", code), "invitation.rate") // the right one too: nothing is learnt
	if err := from("192.0.2.10", code); err != nil {
		t.Errorf("another client: %v", err)
	}
	h.clock.move(guessesEvery)
	wantCode(t, from("192.0.2.9", newCode()), "invitation.unknown")
	wantCode(t, from("192.0.2.9", newCode()), "invitation.rate")
	for i := range guessers + 100 {
		wantCode(t, from(fmt.Sprint(i), "x"), "invitation.unknown")
	}
	if n := h.guesses.Len(); n != guessers {
		t.Errorf("%d clients are remembered", n)
	}
}

// One code, many spaces at the same moment: one of them has it.
func TestOneInvitationOneSpace(t *testing.T) {
	h := newHub(t)
	code, _, err := h.Invite(t.Context(), h.review, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	other := h.open() // another process of the hub
	var wg sync.WaitGroup
	var mu sync.Mutex
	good := 0
	for i := range 8 {
		d := h.Desk
		if i%2 == 1 {
			d = other
		}
		wg.Go(func() {
			if _, err := d.redeem(t.Context(), code, fmt.Sprintf("did:key:%d", i)); err == nil {
				mu.Lock()
				good++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if good != 1 {
		t.Errorf("used %d times", good)
	}
}
