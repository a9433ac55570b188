package exchange

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// A signed card arrives as the bytes that were signed, however they are written.
func TestCardsArriveUnchanged(t *testing.T) {
	for _, card := range []string{
		`{"a":"\u4e2d\/<>&"}`, "{ \"a\" :\n\t1.0e0 , \"b\": [ ] }", `{"z":1,"a":{"中":"文"}}`,
	} {
		a := LogsAnswer{Card: json.RawMessage(card), Logs: []Offered{{Card: json.RawMessage(card), Checkpoint: "note\n"}}}
		text, err := writeLogsAnswer(&a)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseLogsAnswer(text, none)
		if err != nil || string(got.Card) != card || string(got.Logs[0].Card) != card {
			t.Errorf("%s became %s, %v", card, got.Card, err)
		}
		r := LogsRequest{Card: json.RawMessage(card), Held: map[string]Held{"x": {Size: 3, Redacted: 1}}, WaitMS: 7}
		body, err := writeLogsRequest(r)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseLogsRequest(body); err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%+v became %+v, %v", r, got, err)
		}
	}
}

func TestQuestionsAreStrict(t *testing.T) {
	long := strings.Repeat("x", ledger.MaxOrigin+1)
	digests := strings.Repeat("AAAA", 32*(MaxDocuments+1)/3+1)
	for _, row := range []struct {
		q    Question
		body string
		ok   bool
	}{
		{AskCheckpoint, `{"origin":"a"}`, true},
		{AskCheckpoint, `{"origin":"a","take":5}`, true},
		{AskLeaves, `{"origin":"a","from":1,"to":2}`, true},
		{AskTile, `{"origin":"a","path":"tile/0/000"}`, true},
		{AskDocuments, `{"origin":"a","digests":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`, true},
		{AskDocuments, `{"origin":"a"}`, false},
		{AskDocuments, `{"origin":"a","digests":"AAAA"}`, false},
		{AskDocuments, `{"origin":"a","digests":"` + digests[:len(digests)/4*4] + `"}`, false},
		{AskCheckpoint, `{"origin":"a","from":1}`, false},
		{AskCheckpoint, `{"origin":"a","path":"x"}`, false},
		{AskCheckpoint, `{"origin":"a","origin":"b"}`, false},
		{AskCheckpoint, `{"origin":"a","Origin":"b"}`, false},
		{AskCheckpoint, `{"origin":"a","other":1}`, false},
		{AskCheckpoint, `{"origin":"a"} x`, false},
		{AskCheckpoint, `{"origin":""}`, false},
		{AskCheckpoint, `{"origin":"a b"}`, false},
		{AskCheckpoint, `{"origin":"` + long + `"}`, false},
		{AskCheckpoint, `[]`, false},
		{AskCheckpoint, ``, false},
		{AskLeaves, `{"origin":"a","from":2,"to":2}`, false},
		{AskLeaves, `{"origin":"a","from":-1,"to":2}`, false},
		{AskLeaves, `{"origin":"a","to":1e3}`, false},
		{AskTile, `{"origin":"a","path":"` + long + `"}`, false},
		{AskTile, `{"origin":"a","path":"tile/0/000","take":-1}`, false},
	} {
		if _, err := parseQuestion(row.q, []byte(row.body)); (err == nil) != row.ok {
			t.Errorf("%s %.80s: %v", row.q, row.body, err)
		}
	}
	for body, ok := range map[string]bool{
		`{}`: true, `{"wait_ms":30000}`: true, `{"wait_ms":30001}`: false, `{"wait_ms":-1}`: false, `{"card":"{}"}`: true, `{"card":"[]"}`: false,
		`{"card":"{"}`: false, `{"card":{}}`: false, `{"held":{"a":{"size":1}}}`: true, `{"held":{"a b":{"size":1}}}`: false, `{"held":{"a":{"size":1,"redacted":-1}}}`: false,
		`{"card":"{\"a\":\"` + strings.Repeat("x", MaxCard) + `\"}"}`: false, `{"more":1}`: false,
	} {
		if _, err := parseLogsRequest([]byte(body)); (err == nil) != ok {
			t.Errorf("%.80s: %v", body, err)
		}
	}
}

func TestDocumentsRoundTrip(t *testing.T) {
	want := []Document{{State: DocumentGiven, Bytes: []byte("{}")}, {State: DocumentWithheld}, {State: DocumentMissing}, {State: DocumentRedacted}}
	var raw []byte
	for _, d := range want {
		raw = appendDocument(raw, d)
	}
	if got, err := parseDocuments(raw, 4); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, bad := range map[string][]byte{
		"nothing": {}, "cut": raw[:len(raw)-1], "cut within": raw[:6], "state 0": {0, 0, 0, 0, 0}, "state 9": {9, 0, 0, 0, 0},
		"given and empty": {1, 0, 0, 0, 0}, "withheld and not empty": {2, 0, 0, 0, 1, 'x'}, "huge": {1, 0xff, 0xff, 0xff, 0xff, 'x'},
		"too many": append(bytes.Clone(raw), raw...),
	} {
		if _, err := parseDocuments(bad, 4); err == nil {
			t.Errorf("%s passed", name)
		}
	}
}

// Little that unfolds to much is refused before it has cost much memory.
func TestBombs(t *testing.T) {
	e, err := zstd.NewWriter(nil, zstd.WithWindowSize(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 64<<20)
	bomb := e.EncodeAll(zeros, nil)
	half := e.EncodeAll(zeros[:maxRaw/2+1], nil)
	var streamed bytes.Buffer // does not say how long it is
	s, err := zstd.NewWriter(&streamed)
	if err != nil {
		t.Fatal(err)
	}
	for range 64 {
		_, _ = s.Write(zeros[:1<<20])
	}
	_ = s.Close()
	wide, err := zstd.NewWriter(nil, zstd.WithWindowSize(64<<20), zstd.WithSingleSegment(false))
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 5<<20)
	_, _ = rand.Read(noise)
	for name, packed := range map[string][]byte{
		"one frame": bomb, "two frames": append(bytes.Clone(half), half...), "streamed": streamed.Bytes(),
		"many frames": bytes.Repeat(e.EncodeAll(zeros[:1<<20], nil), 100), "a wide window": wide.EncodeAll(append(noise, zeros...), nil),
		"garbage": noise[:1000], "cut": bomb[:len(bomb)/2], "nothing": nil,
	} {
		var raw []byte
		perRun := testing.AllocsPerRun(1, func() { raw, err = newUnpacker(maxRaw).unpack(packed) })
		if name != "nothing" && err == nil || len(raw) > maxRaw || perRun > 1e5 {
			t.Errorf("%s: %d bytes, %v", name, len(raw), err)
		}
		c := NewClient(askFunc(func(context.Context, Question, []byte) ([]byte, error) {
			return append([]byte{answered}, packed...), nil
		}))
		var sf *SourceFault
		if _, err := c.Documents(t.Context(), "a", make([]vocab.Digest, 3)); !errors.As(err, &sf) || sf.Problem.Code != "peer.garbage" {
			t.Errorf("%s, documents: %v", name, err)
		}
		if _, err := c.Logs(t.Context(), LogsRequest{}); !errors.As(err, &sf) || sf.Problem.Code != "peer.garbage" {
			t.Errorf("%s, logs: %v", name, err)
		}
	}
}

// Whatever a peer answers, the client says that it is the peer's fault.
func TestClientFaults(t *testing.T) {
	for _, row := range []struct {
		name  string
		reply []byte
		err   error
		code  string
	}{
		{"nothing", nil, nil, "peer.garbage"},
		{"another version", []byte{2, 3}, nil, "peer.garbage"},
		{"huge", bytes.Repeat([]byte{answered}, maxReply+1), nil, "peer.garbage"},
		{"a page", []byte("<html>"), nil, "peer.garbage"},
		{"JSON of no kind", []byte(`{}`), nil, "peer.garbage"},
		{"a refusal that is none", []byte(`{"problems":"x"}`), nil, "peer.garbage"},
		{"a refusal", Reply(nil, refuse("busy", "忙", "busy")), nil, "peer.refused"},
		{"an RFC 9457 answer", []byte(`{"type":"about:blank","status":403,"problems":[{"path":"","code":"peer.unapproved","message":{"en":"no"}}]}`), nil, "peer.refused"},
		{"a dead connection", nil, errors.New("reset"), "peer.silent"},
		{"a short answer", []byte{answered}, nil, "peer.garbage"},
	} {
		c := NewClient(askFunc(func(context.Context, Question, []byte) ([]byte, error) { return row.reply, row.err }))
		for q, ask := range map[Question]func() error{
			AskLogs:       func() error { _, err := c.Logs(t.Context(), LogsRequest{}); return err },
			AskCheckpoint: func() error { _, err := c.Checkpoint(t.Context(), "a"); return err },
			AskLeaves:     func() error { _, err := c.Leaves(t.Context(), "a", 0, 5); return err },
			AskDocuments:  func() error { _, err := c.Documents(t.Context(), "a", make([]vocab.Digest, 1)); return err },
		} {
			err := ask()
			var sf *SourceFault
			if !errors.As(err, &sf) || sf.Problem.Code != row.code || sf.Problem.Message["zh"] == "" {
				t.Errorf("%s, %s: %v", row.name, q, err)
			}
		}
	}
	// A refusal's own code is there too, and its text cannot harm a terminal.
	c := NewClient(askFunc(func(context.Context, Question, []byte) ([]byte, error) {
		return Reply(nil, vocab.Problems{{Code: "peer.unapproved", Message: vocab.Text{"en": "\x1b[2J" + strings.Repeat("x", 9000)}}}), nil
	}))
	_, err := c.Checkpoint(t.Context(), "a")
	var sf *SourceFault
	var theirs vocab.Problems
	if !errors.As(err, &sf) || !errors.As(sf.Err, &theirs) || theirs[0].Code != "peer.unapproved" || strings.ContainsRune(err.Error(), 0x1b) || len(err.Error()) > 2000 {
		t.Errorf("got %v", err)
	}
}

func FuzzQuestion(f *testing.F) {
	for _, q := range Questions {
		f.Add(string(q), []byte(`{"origin":"a","from":1,"to":2,"path":"tile/0/000","digests":"AAAA","take":1}`))
		f.Add(string(q), []byte(`{"origin":"a"}`))
	}
	f.Fuzz(func(t *testing.T, q string, body []byte) {
		r, err := parseQuestion(Question(q), body)
		if err == nil && (ledger.CheckOrigin(r.Origin) != nil || len(r.Digests)%32 != 0 || r.Take < 0) {
			t.Errorf("%+v passed", r)
		}
	})
}

func FuzzLogs(f *testing.F) {
	f.Add([]byte(`{"card":"{}","held":{"a":{"size":1,"redacted":2}},"wait_ms":100}`))
	f.Add([]byte(`{"card":"{\"a\":1}","logs":[{"card":"{}","checkpoint":"x","own":true}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := parseLogsRequest(body); err == nil {
			text, err := writeLogsRequest(r)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := parseLogsRequest(text); err != nil || fmt.Sprint(again) != fmt.Sprint(r) {
				t.Errorf("%+v became %+v, %v", r, again, err)
			}
		}
		if a, err := parseLogsAnswer(body, none); err == nil {
			text, err := writeLogsAnswer(a)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := parseLogsAnswer(text, none); err != nil || fmt.Sprint(again) != fmt.Sprint(a) {
				t.Errorf("%+v became %+v, %v", a, again, err)
			}
		}
	})
}

func FuzzDocuments(f *testing.F) {
	f.Add(appendDocument(appendDocument(nil, Document{State: DocumentGiven, Bytes: []byte("{}")}), Document{State: DocumentMissing}), 3)
	f.Fuzz(func(t *testing.T, raw []byte, n int) {
		documents, err := parseDocuments(raw, min(max(n, 0), MaxDocuments))
		if err != nil {
			return
		}
		var again []byte
		for _, d := range documents {
			again = appendDocument(again, d)
		}
		if !bytes.Equal(again, raw) {
			t.Errorf("%x is read as %x", raw, again)
		}
	})
}

func FuzzReply(f *testing.F) {
	f.Add(Reply([]byte("x"), nil))
	f.Add(Reply(nil, refuse("busy", "忙", "busy")))
	u := newUnpacker(1 << 20)
	p := newPacker()
	f.Add(append([]byte{answered}, p.pack([]byte("hello"))...))
	f.Fuzz(func(t *testing.T, reply []byte) {
		b, err := readReply(reply)
		if err == nil {
			if raw, err := u.unpack(b); err == nil && len(raw) > 1<<20 {
				t.Errorf("%d bytes", len(raw))
			}
			return
		}
		if ps := vocab.ProblemsOf(err, ""); len(ps) == 0 || len(ps) > maxRefusals {
			t.Errorf("%q: %v", reply, err)
		}
	})
}

func FuzzFault(f *testing.F) {
	f.Add("x", "文", "y")
	f.Fuzz(func(t *testing.T, path, zh, code string) {
		text := faultText(vocab.Problems{{Path: path, Code: code, Message: vocab.Text{"zh": zh, "en": zh}}})
		if len(text) > ledger.MaxFault {
			t.Errorf("%d bytes", len(text))
		}
		FaultOf(text)
	})
}

// none is who was shown no card.
func none(string) []byte { return nil }
