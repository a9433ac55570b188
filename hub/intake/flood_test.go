package intake

import (
	"fmt"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/hub/access"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

func from(connection int, subject string, body []byte) *nats.Msg {
	return &nats.Msg{
		Subject: bus.SubmitPrefix + subject, Reply: "_INBOX.x", Data: body,
		Header: nats.Header{"Nats-Request-Info": {fmt.Sprintf(`{"start":"2026-11-22T03:00:00Z","host":"192.0.2.7","id":%d,"acc":"CLIENTS","user":"%s@192.0.2.7","name":"\"host\":\"192.0.2.8\",","lang":"go","ver":"1.48.0","rtt":123456,"server":"did:key:z6Mk","kind":"Client","client_type":"nats"}`, connection, subject)}},
	}
}

func TestAskersAreToldApart(t *testing.T) {
	known := newAskers()
	for range 2 { // the second time from memory
		for connection := range 3 * askersKept {
			for _, subject := range []string{"a", "b"} {
				m := from(connection, subject, nil)
				want := asker{access.Claim{Client: "192.0.2.7/32", Party: strconv.Itoa(connection) + " " + subject}, subject}
				if got := known.of(m, subject); got != want {
					t.Fatalf("%+v, want %+v", got, want)
				}
			}
		}
	}
	if n := known.known.Len(); n > askersKept {
		t.Errorf("%d are remembered", n)
	}
	m := &nats.Msg{Subject: bus.SubmitPrefix + "a"}
	if got, want := known.of(m, "a"), (asker{access.Claim{Client: access.ClientOf(""), Party: "0 a"}, ""}); got != want {
		t.Errorf("of a server that tells nothing: %+v, want %+v", got, want)
	}
}

// BenchmarkTurnedAway is what a message of a flood costs that is not answered any
// more, after NATS has brought it.
//
//	go test -bench TurnedAway -run xxx ./hub/intake
func BenchmarkTurnedAway(b *testing.B) {
	start := time.Now()
	now := func() time.Time { return start } // stands still, or some would be let through
	in := New(Config{
		Excess: access.NewExcess(now, func(string, string) {}), Outcast: func(string) bool { return false },
		Now: now, Logger: slog.New(slog.DiscardHandler),
	})
	b.Cleanup(in.Close)
	m := from(7, "z6MkwQtUpAibsTqxfWkfhR8pbQN89YZUXNuvJG97p2XN3zKW", make([]byte, 1000))
	who := in.askers.of(m, m.Subject[len(bus.SubmitPrefix):])
	for in.c.Excess.Tolerates(who.claim, 0) {
		in.c.Excess.Wrong(who.claim)
	}
	for in.c.Excess.TurnAway(who.claim, who.name) {
	}
	b.ReportAllocs()
	for b.Loop() {
		in.onSubmit(m)
	}
}

// Wrong signatures in great number are not all kept, and those that are do not
// take the place of what a space has signed.
func TestQuarantineKeepsFewUnsigned(t *testing.T) {
	b := newBench(t)
	const many = 3 * unsignedAtOnce
	kept := func(space string) (n int) {
		for i := range many {
			raw := fmt.Appendf(nil, "%s %d", space, i)
			b.quarantine.Put(vocab.Receipt{Status: vocab.Refused, Space: space, Digest: vocab.DigestOf(raw)}, raw, false, false)
		}
		for i := range many {
			if b.quarantine.seen.Contains(vocab.DigestOf(fmt.Appendf(nil, "%s %d", space, i))) {
				n++
			}
		}
		return n
	}
	if n := kept(""); n < unsignedAtOnce || n > unsignedAtOnce+many/10 {
		t.Errorf("%d of %d are kept that nobody signed", n, many)
	}
	if n := kept(b.key.DID()); n != many {
		t.Errorf("%d of %d are kept that a space signed", n, many)
	}
}
