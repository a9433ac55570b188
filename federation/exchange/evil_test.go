package exchange

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"lianmu/federation/identity/identitytest"
	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// Each row is a source that is wrong in one way about an honest log of 300
// entries, of which 100 are in the mirror already. It may cost time, and that its
// documents are missing; it gets nothing into the mirror that is not the log's,
// and an honest source completes it.
func TestEvilSources(t *testing.T) {
	w := newWorld(t)
	space := identitytest.Key(t)
	other := newPaper(t).offer(identitytest.Key(t), 400)
	honest := newPaper(t).offer(space, 300)
	extended := honest.fork(300).offer(space, 100)
	for _, row := range []struct {
		name string
		evil func(p, longer *paper) *evil
		code string // of the SourceFault; "" is none
		size uint64 // of the mirror after it
		want states // at that size
	}{
		{"no leaf records", func(p, _ *paper) *evil {
			return &evil{Source: p, leaves: func(uint64, uint64) ([]byte, error) { return nil, nil }}
		}, "peer.garbage", 100, nil},
		{"a leaf record cut off", func(p, _ *paper) *evil {
			return &evil{Source: p, leaves: func(from, to uint64) ([]byte, error) {
				return p.leaves[from*ledger.LeafSize : to*ledger.LeafSize-1], nil
			}}
		}, "peer.garbage", 100, nil},
		{"more leaf records than asked for", func(p, longer *paper) *evil {
			return &evil{Source: p, leaves: func(from, to uint64) ([]byte, error) {
				return longer.leaves[from*ledger.LeafSize : (to+1)*ledger.LeafSize], nil
			}}
		}, "peer.garbage", 100, nil},
		{"garbage for leaf records", func(p, _ *paper) *evil {
			return &evil{Source: p, leaves: func(from, to uint64) ([]byte, error) {
				return bytes.Repeat([]byte{0xEE}, int(to-from)*ledger.LeafSize), nil
			}}
		}, "peer.garbage", 100, nil},
		{"leaf records of other entries of the log", func(p, _ *paper) *evil {
			return &evil{Source: p, leaves: func(from, to uint64) ([]byte, error) {
				return p.leaves[(from-1)*ledger.LeafSize : (to-1)*ledger.LeafSize], nil
			}}
		}, "peer.wrong", 100, nil},
		{"leaf records of another log", func(p, _ *paper) *evil {
			return &evil{Source: p, leaves: func(from, to uint64) ([]byte, error) {
				return other.leaves[from*ledger.LeafSize : to*ledger.LeafSize], nil
			}}
		}, "peer.wrong", 100, nil},
		{"leaf records of a longer tree", func(p, longer *paper) *evil {
			return &evil{Source: p, leaves: func(from, to uint64) ([]byte, error) {
				return longer.leaves[from*ledger.LeafSize : to*ledger.LeafSize], nil
			}}
		}, "peer.wrong", 128, states{ledger.Held: 128}}, // so far it was the log's
		{"tiles of a longer tree with them", func(p, longer *paper) *evil {
			return &evil{Source: longer}
		}, "peer.wrong", 100, nil},
		{"garbage for tiles", func(p, longer *paper) *evil {
			return &evil{Source: longer, tile: func(string) ([]byte, error) { return make([]byte, 32), nil }}
		}, "peer.garbage", 100, nil},
		{"tiles that say the log forked", func(p, longer *paper) *evil {
			return &evil{Source: longer, tile: func(path string) ([]byte, error) {
				b, err := p.Tile(context.Background(), "", path)
				b = bytes.Clone(b)
				b[0]++
				return b, err
			}}
		}, "peer.wrong", 100, nil},
		{"tiles of another level", func(p, _ *paper) *evil {
			return &evil{Source: p, tile: func(path string) ([]byte, error) {
				below := strings.Replace(path, "tile/1/", "tile/0/", 1)
				return p.Tile(context.Background(), "", below)
			}}
		}, "peer.wrong", 100, nil},
		{"no documents", func(p, _ *paper) *evil {
			return &evil{Source: p, documents: func(context.Context, []vocab.Digest) ([]Document, error) { return nil, nil }}
		}, "peer.garbage", 100, nil},
		{"too many documents", func(p, _ *paper) *evil {
			return &evil{Source: p, documents: func(_ context.Context, digests []vocab.Digest) ([]Document, error) {
				return make([]Document, len(digests)+1), nil
			}}
		}, "peer.garbage", 100, nil},
		{"the next one's document", func(p, _ *paper) *evil {
			return &evil{Source: p, documents: func(ctx context.Context, digests []vocab.Digest) ([]Document, error) {
				out, err := p.Documents(ctx, "", digests)
				return append(out[1:], out[0]), err
			}}
		}, "peer.wrong", 100 + mostWrong, states{ledger.Held: 100, ledger.Missing: mostWrong}},
		{"one document changed", func(p, _ *paper) *evil {
			bad := p.leaf(180).SHA256
			return &evil{Source: p, documents: func(ctx context.Context, digests []vocab.Digest) ([]Document, error) {
				out, err := p.Documents(ctx, "", digests)
				for i := range out {
					if digests[i] == bad {
						out[i].Bytes = append(bytes.Clone(out[i].Bytes), ' ')
					}
				}
				return out, err
			}}
		}, "", 300, states{ledger.Held: 299, ledger.Missing: 1}},
		{"everything withheld", func(p, _ *paper) *evil { return says(p, DocumentWithheld) }, "", 300, states{ledger.Held: 100, ledger.Withheld: 200}},
		{"everything missing", func(p, _ *paper) *evil { return says(p, DocumentMissing) }, "", 300, states{ledger.Held: 100, ledger.Missing: 200}},
		{"everything redacted", func(p, _ *paper) *evil { return says(p, DocumentRedacted) }, "", 300, states{ledger.Held: 100, ledger.Missing: 200}},
		{"states that there are not", func(p, _ *paper) *evil { return says(p, 77) }, "", 300, states{ledger.Held: 100, ledger.Missing: 200}},
		{"slow", func(p, _ *paper) *evil {
			return &evil{Source: p, documents: func(ctx context.Context, digests []vocab.Digest) ([]Document, error) {
				w.clock.move(19 * time.Second)
				return p.Documents(ctx, "", digests[:1])
			}}
		}, "peer.slow", 0, nil},
		{"gone", func(p, _ *paper) *evil {
			return &evil{Source: p, leaves: func(uint64, uint64) ([]byte, error) { return nil, errors.New("connection refused") }}
		}, "peer.silent", 100, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, longer := honest.anew(t), extended.anew(t)
			w.t = t
			// A tree that differs within the log is what a forger would need.
			longer.leaves[150*ledger.LeafSize+20]++
			longer.rehash()
			f := w.follow(p, true)
			f.chunk, f.part = 128, 25
			f.advance(t, p, true, p.note(100))
			_, err := f.Advance(t.Context(), row.evil(p, longer), false, p.last())
			var sf *SourceFault
			if row.code == "" && err != nil || row.code != "" && (!errors.As(err, &sf) || sf.Problem.Code != row.code) {
				t.Fatalf("got %v", err)
			}
			if sf != nil && (sf.Problem.Message["zh"] == "" || strings.Contains(sf.Error(), "%!")) {
				t.Errorf("%v", sf.Problem)
			}
			if row.want != nil {
				f.wantStates(p, row.size, row.want)
			} else if row.size > 0 && f.Log.Size() != row.size {
				t.Errorf("the mirror has %d entries, want %d", f.Log.Size(), row.size)
			}
			f.advance(t, p, true, p.last())
			if _, err := f.Mend(t.Context(), p, true); err != nil {
				t.Fatal(err)
			}
			f.wantStates(p, 300, states{ledger.Held: 300})
			if s, _ := f.judge.Registry().Space(space.DID()); s.Offerings != 300 {
				t.Errorf("%d offerings stand", s.Offerings)
			}
			if err := f.Log.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// anew is a log with the same entries under another name.
func (p *paper) anew(t testing.TB) *paper {
	q := newPaper(t)
	q.leaves, q.hashes, q.documents, q.at = bytes.Clone(p.leaves), append([]tlog.Hash{}, p.hashes...), p.documents, p.at
	return q
}

// rehash makes the tree that of the leaf records again.
func (p *paper) rehash() {
	leaves := p.leaves
	p.leaves, p.hashes = nil, nil
	for ; len(leaves) > 0; leaves = leaves[ledger.LeafSize:] {
		p.record(bytes.Clone(leaves[:ledger.LeafSize]))
	}
}

// A source that never answers costs one question's time, and no goroutine.
func TestSilentSource(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	p.offer(identitytest.Key(t), 10)
	c := NewClient(askFunc(func(ctx context.Context, _ Question, _ []byte) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	c.timeout = 20 * time.Millisecond
	f := w.follow(p, true)
	_, err := f.Advance(t.Context(), c, false, p.last())
	var sf *SourceFault
	if !errors.As(err, &sf) || sf.Problem.Code != "peer.silent" {
		t.Fatalf("got %v", err)
	}
	f.advance(t, p, true, p.last())
	f.wantStates(p, 10, states{ledger.Held: 10})
}

type askFunc func(ctx context.Context, q Question, body []byte) ([]byte, error)

func (f askFunc) Ask(ctx context.Context, q Question, body []byte) ([]byte, error) {
	return f(ctx, q, body)
}

// What one source has wrong or lacks is had from another, and a third that fails
// does not hold it up.
func TestOthersHelp(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	p.offer(identitytest.Key(t), 300)
	f := w.follow(p, true)
	dead := &evil{Source: p, documents: func(context.Context, []vocab.Digest) ([]Document, error) { return nil, errors.New("dead") }}
	f.Others = func() []Source { return []Source{dead, says(p, DocumentMissing), p} }
	wrong := &evil{Source: p, documents: func(ctx context.Context, digests []vocab.Digest) ([]Document, error) {
		out, err := p.Documents(ctx, "", digests)
		for i := range out {
			out[i] = []Document{{State: DocumentGiven, Bytes: []byte("{}")}, {State: DocumentMissing}, {State: DocumentRedacted}, out[i]}[i%4]
		}
		return out, err
	}}
	f.advance(t, wrong, false, p.last())
	f.wantStates(p, 300, states{ledger.Held: 300})
}

// The log's own key signs two histories. It is found out from whatever side, with
// two notes that prove it to anybody, and nothing gets into the mirror.
func TestForks(t *testing.T) {
	w := newWorld(t)
	space := identitytest.Key(t)
	for _, row := range []struct {
		name     string
		accepted uint64 // of the honest history
		held     uint64 // beyond it, copied toward the whole of it
		forks    int    // where the other one leaves it
		size     int    // of the other one
	}{
		{"as long", 200, 200, 150, 200},
		{"shorter", 200, 200, 100, 150},
		{"longer", 200, 200, 150, 500},
		{"longer by one", 200, 200, 199, 201},
		{"between what is accepted and what is held", 100, 200, 150, 180},
		{"as long as what is held", 100, 200, 150, 200},
		{"longer, from between", 100, 200, 150, 400},
		{"before anything was accepted", 0, 200, 150, 400},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newPaper(t)
			p.t, w.t = t, t
			p.offer(space, 300)
			f := w.follow(p, true)
			f.chunk, f.part = 64, 10
			var kept []byte
			f.Keep = func(note []byte) error { kept = note; return nil }
			if row.accepted > 0 {
				f.advance(t, p, true, p.note(row.accepted))
			}
			if row.held > row.accepted { // it breaks off there
				stop := p.leaf(row.held).SHA256
				cut := &evil{Source: p, documents: func(ctx context.Context, digests []vocab.Digest) ([]Document, error) {
					for i, d := range digests {
						if d == stop && i == 0 {
							return nil, errors.New("cut")
						} else if d == stop {
							digests = digests[:i]
							break
						}
					}
					return p.Documents(ctx, "", digests)
				}}
				if _, err := f.Advance(t.Context(), cut, true, p.last()); err == nil || f.Log.Size() != row.held {
					t.Fatalf("%d entries, %v", f.Log.Size(), err)
				}
			}
			other := p.fork(row.forks)
			other.offer(identitytest.Key(t), row.size-row.forks)
			before := f.Log.Size()
			// As after a restart: what was kept is known.
			_, err := (&Follower{Log: f.Log, Judge: f.Judge, Toward: kept, Now: f.Now, chunk: 64, part: 10}).Advance(t.Context(), other, true, other.last())
			var fork *ledger.Contradiction
			if !errors.As(err, &fork) {
				t.Fatalf("got %v", err)
			}
			a, err1 := ledger.ParseCheckpoint(fork.Have, p.vkey)
			b, err2 := ledger.ParseCheckpoint(fork.Got, p.vkey)
			if err1 != nil || err2 != nil || fork.Why == "" {
				t.Fatalf("%v, %v, %q", err1, err2, fork.Why)
			}
			// Proven: the histories of the two notes differ within the shorter one.
			n := min(a.Size, b.Size)
			if a.Root != p.root(a.Size) || b.Root != other.root(b.Size) || p.root(n) == other.root(n) {
				t.Errorf("notes over %d and %d entries prove nothing", a.Size, b.Size)
			}
			if f.Log.Size() != before {
				t.Errorf("the mirror grew from %d to %d", before, f.Log.Size())
			}
			// The honest history goes on being the one that is held.
			f.advance(t, p, true, p.last())
			f.wantStates(p, 300, states{ledger.Held: 300})
			if err := f.Log.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// What the checkpoint covers and cannot be is the log's own fault, whoever hands
// it over; all before it is taken.
func TestLogFaults(t *testing.T) {
	w := newWorld(t)
	space := identitytest.Key(t)
	for _, row := range []struct {
		name string
		bad  func(p *paper) []byte // writes what is wrong, returns the note
		says string
	}{
		{"received before the entry ahead", func(p *paper) []byte {
			p.at = p.at.Add(-time.Minute)
			p.offer(space, 1)
			p.at = p.at.Add(2 * time.Minute)
			return p.offer(space, 10).last()
		}, "before the entry ahead"},
		{"received after it was signed", func(p *paper) []byte {
			p.at = p.at.Add(time.Hour)
			return p.offer(space, 10).noteAt(p.size(), p.at.Add(-6*time.Minute))
		}, "after the checkpoint"},
		{"a leaf record of an unknown version", func(p *paper) []byte {
			p.record(bytes.Repeat([]byte{9}, ledger.LeafSize))
			return p.offer(space, 10).last()
		}, "cannot be read"},
	} {
		for _, before := range []int{0, 70} {
			t.Run(fmt.Sprintf("%s, after %d", row.name, before), func(t *testing.T) {
				p := newPaper(t)
				p.t, w.t = t, t
				p.offer(space, 1)
				p.offer(space, before)
				f := w.follow(p, true)
				f.chunk = 64
				good := p.size()
				if before == 0 {
					f.advance(t, p, true, p.last()) // so that it is the first of what is new
				}
				note := row.bad(p)
				_, err := f.Advance(t.Context(), p, true, note)
				var lf *LogFault
				if !errors.As(err, &lf) || lf.Index != good || !strings.Contains(err.Error(), row.says) || lf.Problem.Message["zh"] == "" {
					t.Fatalf("got %v", err)
				}
				if f.Log.Size() != good {
					t.Errorf("%d entries, want %d", f.Log.Size(), good)
				}
				if err := f.Log.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A checkpoint that is not the log's is the source's fault.
func TestForeignCheckpoints(t *testing.T) {
	w, p, q := newWorld(t), newPaper(t), newPaper(t)
	p.offer(identitytest.Key(t), 5)
	q.offer(identitytest.Key(t), 5)
	f := w.follow(p, true)
	forged := *q
	forged.origin = p.origin
	for name, note := range map[string][]byte{
		"another log's": q.last(), "another key's": forged.last(), "none": nil, "garbage": []byte("hello"), "huge": bytes.Repeat([]byte("a"), 1<<20),
		"changed": bytes.Replace(p.last(), []byte("\n5\n"), []byte("\n6\n"), 1),
	} {
		var sf *SourceFault
		if _, err := f.Advance(t.Context(), q, true, note); !errors.As(err, &sf) || sf.Problem.Code != "peer.wrong" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f.Log.Size() != 0 {
		t.Errorf("%d entries", f.Log.Size())
	}
}

// A log that claims to be too large is not begun, and a size that no tree can have
// is no checkpoint.
func TestHugeLog(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	f := w.follow(p, true)
	claim := func(size uint64) error {
		text := fmt.Sprintf("%s\n%d\n%s\n", p.origin, size, base64.StdEncoding.EncodeToString(make([]byte, tlog.HashSize)))
		_, err := f.Advance(t.Context(), p, true, p.signText(text))
		return err
	}
	var lf *LogFault
	for _, size := range []uint64{mostEntries + 1, math.MaxInt64} {
		if err := claim(size); !errors.As(err, &lf) {
			t.Errorf("%d: %v", size, err)
		}
	}
	var sf *SourceFault
	for _, size := range []uint64{1 << 63, math.MaxUint64} {
		if err := claim(size); !errors.As(err, &sf) || sf.Problem.Code != "peer.wrong" {
			t.Errorf("%d: %v", size, err)
		}
	}
}

// Other keys may sign a checkpoint too, as witnesses do: as many as fit its bound.
func TestWitnessLines(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	p.offer(identitytest.Key(t), 3)
	f := w.follow(p, true)
	witness := func(n int) string {
		sig := append(binary.BigEndian.AppendUint32(nil, uint32(n)), make([]byte, ed25519.SignatureSize)...) // of a key that nobody here knows
		return fmt.Sprintf("— witness%d.example %s\n", n, base64.StdEncoding.EncodeToString(sig))
	}
	note, few := string(p.last()), ""
	for n := 0; len(note)+len(few)+len(witness(n)) <= MaxNote; n++ {
		few += witness(n)
	}
	f.advance(t, p, true, []byte(note+few))
	f.wantStates(p, 3, states{ledger.Held: 3})
	if string(f.Log.Checkpoint()) != note+few {
		t.Error("the witnesses' lines are not kept")
	}
	var many strings.Builder
	for n := range 10_000 {
		many.WriteString(witness(n))
	}
	var sf *SourceFault
	if _, err := f.Advance(t.Context(), p, true, []byte(note+many.String())); !errors.As(err, &sf) || sf.Problem.Code != "peer.wrong" {
		t.Errorf("got %v", err)
	}
}

// A source that gives one document after the other, each just before it would be
// given up, is left all the same: wherever it is asked, and however it helps.
func TestDrip(t *testing.T) {
	w, p := newWorld(t), newPaper(t)
	space := identitytest.Key(t)
	p.offer(space, 100)
	for i := range uint64(40) {
		p.redact(i)
	}
	drip := &evil{Source: p, documents: func(ctx context.Context, digests []vocab.Digest) ([]Document, error) {
		w.clock.move(19 * time.Second)
		return p.Documents(ctx, "", digests[:1])
	}}
	f := w.follow(p, true)
	begun := w.clock.now()
	spent := func(what string, most time.Duration) {
		t.Helper()
		if took := w.clock.now().Sub(begun); took > most {
			t.Errorf("%s: it was waited for %v", what, took)
		}
		begun = w.clock.now()
	}
	var sf *SourceFault
	if _, err := f.Advance(t.Context(), drip, true, p.last()); !errors.As(err, &sf) || sf.Problem.Code != "peer.slow" {
		t.Errorf("got %v", err)
	}
	spent("redactions, which are read first", time.Minute)
	f.Others = func() []Source { return []Source{drip} }
	if got := f.advance(t, says(p, DocumentMissing), false, p.last()); got.Missing == 0 {
		t.Errorf("%+v", got)
	}
	spent("as a further source", time.Minute)
	if _, err := f.Mend(t.Context(), drip, true); !errors.As(err, &sf) || sf.Problem.Code != "peer.slow" {
		t.Errorf("got %v", err)
	}
	spent("as one that is to mend", time.Minute)
}
