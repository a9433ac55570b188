package peering

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"time"

	"lianmu/federation/identity/identitytest"
	"lianmu/federation/ledger"
	"lianmu/hub/access"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// Of a mirror the faulty entries are told with their reasons, to officers alone.
func TestFaults(t *testing.T) {
	ctx := t.Context()
	b, err := bus.Start(ctx, bus.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := b.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	const origin = "lianmu/z6MkA/1"
	key := identitytest.Key(t)
	own, err := ledger.Open(ctx, ledger.Config{
		JetStream: b.JetStream, Stream: bus.LogStream, State: b.State(), Dir: t.TempDir(), Origin: origin, Seed: bytes.Repeat([]byte{1}, 32), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Close(context.Background()) })
	stream, err := b.MirrorStream(ctx, origin)
	if err != nil {
		t.Fatal(err)
	}
	log, err := ledger.OpenMirror(ctx, ledger.Config{
		JetStream: b.JetStream, Stream: stream, Subjects: bus.MirrorPrefix + bus.MirrorID(origin) + ".", State: b.State(), Dir: t.TempDir(), Origin: origin,
		VerifierKey: own.VerifierKey(), Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close(context.Background()) })
	why, err := json.Marshal(vocab.NewProblem("/proof", "proof.value", "签名不对", "the signature is wrong"))
	if err != nil {
		t.Fatal(err)
	}
	var entries []ledger.Mirrored
	for i := range MaxFaults + 5 {
		m := ledger.Mirrored{State: ledger.Faulty, Fault: string(why), Document: []byte{byte(i)}}
		if i == 1 {
			m.Fault = "bare words"
		}
		m.Leaf = ledger.NewLeaf(vocab.KindOffering, time.Unix(1_760_000_000, 0), m.Document)
		entries = append(entries, m)
	}
	if err := log.Extend(ctx, 0, entries); err != nil {
		t.Fatal(err)
	}
	p := &Peers{mirrors: map[string]*mirror{origin: {origin: origin, log: log}}}
	officer := access.Who{DID: key.DID(), Roles: []access.Role{access.Audit}}
	faults, err := p.Faults(ctx, officer, origin)
	if err != nil || len(faults) != MaxFaults {
		t.Fatalf("%d faults, %v", len(faults), err)
	}
	if f := faults[0]; f.Index != 0 || f.Problem.Code != "proof.value" || f.Problem.Message["zh"] != "签名不对" {
		t.Errorf("%+v", f)
	}
	if f := faults[1]; f.Index != 1 || f.Problem.Message["en"] != "bare words" {
		t.Errorf("%+v", f)
	}
	if none, err := p.Faults(ctx, officer, "lianmu/z6MkB/1"); err != nil || len(none) > 0 {
		t.Errorf("of a log that is not here: %v, %v", none, err)
	}
	if _, err := p.Faults(ctx, access.Who{}, origin); vocab.ProblemsOf(err, "")[0].Code != "access.forbidden" {
		t.Errorf("anybody: %v", err)
	}
}
