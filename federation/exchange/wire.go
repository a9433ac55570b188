package exchange

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/zstd"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// A question's body is one JSON object. An answer begins with the byte answered,
// after which come
//
//	logs        a LogsAnswer as JSON, in zstd
//	checkpoint  the signed note
//	leaves      leaf records, one after the other
//	documents   see appendDocument, in zstd
//	tile        the tile
//
// or it is a refusal: a JSON object whose member problems lists vocab.Problems,
// such as an RFC 9457 answer of this program over HTTP.
const answered = 0x01

// Bounds of what an answer unfolds to, in bytes.
const (
	maxLogsText  = 4 << 20
	rawPerAnswer = 8 << 20 // of documents, before a last one is added
	maxRaw       = rawPerAnswer + ledger.MaxDocument + documentHead
	maxRefusal   = 64 << 10
)

// question is the body of every question but logs.
type question struct {
	Origin  string `json:"origin"`
	From    uint64 `json:"from,omitempty"`
	To      uint64 `json:"to,omitempty"`      // leaves
	Path    string `json:"path,omitempty"`    // tile
	Digests []byte `json:"digests,omitempty"` // documents: 32 bytes each
	Take    int    `json:"take,omitempty"`    // the most bytes that an answer should have
}

// strict reads a JSON value that has no duplicate and no unknown members.
func strict(raw []byte, v any) error {
	return json.Unmarshal(raw, v, json.RejectUnknownMembers(true))
}

func parseQuestion(q Question, body []byte) (question, error) {
	var r question
	if len(body) > MaxRequest {
		return r, fmt.Errorf("it has more than %d bytes", MaxRequest)
	}
	if err := strict(body, &r); err != nil {
		return r, err
	}
	if err := ledger.CheckOrigin(r.Origin); err != nil {
		return r, err
	}
	n := len(r.Digests)
	switch {
	case r.Take < 0:
		return r, errors.New("take is negative")
	case (q == AskLeaves) != (r.To > 0) || q != AskLeaves && r.From > 0:
		return r, errors.New("from and to are for leaves alone")
	case q == AskLeaves && r.From >= r.To:
		return r, errors.New("from is not below to")
	case (q == AskTile) != (r.Path != "") || len(r.Path) > 100:
		return r, errors.New("a path of at most 100 bytes is for tile alone")
	case (q == AskDocuments) != (n > 0) || n%32 != 0 || n > 32*MaxDocuments:
		return r, fmt.Errorf("1 to %d digests of 32 bytes are for documents alone", MaxDocuments)
	}
	return r, nil
}

// What follows is how logs questions and their answers are written: cards as text,
// so that nobody's JSON is written anew.
type (
	logsRequest struct {
		Card   string          `json:"card,omitempty"`
		Held   map[string]Held `json:"held,omitempty"`
		WaitMS int             `json:"wait_ms,omitzero"`
	}
	logsAnswer struct {
		Card string    `json:"card,omitempty"`
		Logs []offered `json:"logs"`
	}
	offered struct {
		Card       string `json:"card,omitempty"` // none: the one that the asker says it was shown
		Checkpoint string `json:"checkpoint"`
		Own        bool   `json:"own,omitzero"`
	}
)

func writeLogsRequest(r LogsRequest) ([]byte, error) {
	return json.Marshal(logsRequest{string(r.Card), r.Held, r.WaitMS}, json.Deterministic(true))
}

func writeLogsAnswer(a *LogsAnswer) ([]byte, error) {
	w := logsAnswer{string(a.Card), make([]offered, len(a.Logs))}
	for i, o := range a.Logs {
		w.Logs[i] = offered{string(o.Card), o.Checkpoint, o.Own}
	}
	return json.Marshal(w, json.Deterministic(true))
}

func parseLogsRequest(body []byte) (LogsRequest, error) {
	var w logsRequest
	if len(body) > MaxRequest {
		return LogsRequest{}, fmt.Errorf("it has more than %d bytes", MaxRequest)
	}
	if err := strict(body, &w); err != nil {
		return LogsRequest{}, err
	}
	r := LogsRequest{Held: w.Held, WaitMS: w.WaitMS}
	if w.Card != "" {
		r.Card = []byte(w.Card)
	}
	if err := checkCard(r.Card); err != nil {
		return r, err
	}
	if len(r.Held) > MaxLogs {
		return r, fmt.Errorf("more than %d logs are held", MaxLogs)
	}
	for origin, h := range r.Held {
		if err := ledger.CheckOrigin(origin); err != nil {
			return r, err
		}
		if h.Redacted < 0 {
			return r, errors.New("a number of redactions is negative")
		}
		if len(h.Note) > markSize || len(h.Card) > markSize {
			return r, fmt.Errorf("a mark has more than %d characters", markSize)
		}
	}
	if r.WaitMS < 0 || r.WaitMS > int(MaxWait.Milliseconds()) {
		return r, fmt.Errorf("wait_ms is not between 0 and %d", MaxWait.Milliseconds())
	}
	return r, nil
}

// checkCard looks at a card's size and form alone: an object, or nothing.
func checkCard(card []byte) error {
	if len(card) > MaxCard {
		return fmt.Errorf("a card has %d bytes, more than %d", len(card), MaxCard)
	}
	if len(card) > 0 && (card[0] != '{' || !jsontext.Value(card).IsValid()) {
		return errors.New("a card is not a JSON object")
	}
	return nil
}

const markSize = 16

// originIn reads of which log a checkpoint says that it is, believing nothing.
func originIn(note string) string {
	origin, _, _ := strings.Cut(note[:min(len(note), MaxNote)], "\n")
	return origin
}

// parseLogsAnswer reads an answer; shown is the card of a log that was left out.
func parseLogsAnswer(text []byte, shown func(origin string) []byte) (*LogsAnswer, error) {
	var w logsAnswer
	if err := strict(text, &w); err != nil {
		return nil, err
	}
	if len(w.Logs) > MaxLogs {
		return nil, fmt.Errorf("it lists more than %d logs", MaxLogs)
	}
	a := LogsAnswer{Card: []byte(w.Card), Logs: make([]Offered, len(w.Logs))}
	if err := checkCard(a.Card); err != nil {
		return nil, err
	}
	for i, o := range w.Logs {
		one := Offered{Card: []byte(o.Card), Checkpoint: o.Checkpoint, Own: o.Own}
		if o.Card == "" {
			one.Card = shown(originIn(o.Checkpoint))
		}
		if err := one.check(); err != nil {
			one = Offered{Own: o.Own, Err: garbage("log", err)}
			if checkCard([]byte(o.Card)) == nil {
				one.Card = []byte(o.Card)
			}
		}
		a.Logs[i] = one
	}
	return &a, nil
}

// check holds a log that is offered to the bounds that its writer and its reader
// have in common. What is wrong with one log says nothing of the others beside it.
func (o *Offered) check() error {
	switch n := len(o.Checkpoint); {
	case len(o.Card) == 0:
		return errors.New("it has no card")
	case n == 0:
		return errors.New("it has no checkpoint")
	case n > MaxNote:
		return fmt.Errorf("its checkpoint has %d bytes, more than %d", n, MaxNote)
	case !utf8.ValidString(o.Checkpoint):
		return errors.New("its checkpoint is not UTF-8")
	}
	return checkCard(o.Card)
}

// refusal is the body of an answer that is none.
type refusal struct {
	Problems vocab.Problems `json:"problems"`
}

// Reply writes an answer, or the refusal that err is, as bytes for the asker.
func Reply(answer []byte, err error) []byte {
	if err == nil {
		return append([]byte{answered}, answer...)
	}
	b, err := json.Marshal(refusal{vocab.ProblemsOf(err, "internal")}, json.Deterministic(true))
	if err != nil || len(b) > maxRefusal {
		b = []byte(`{"problems":[{"path":"","code":"internal","message":{"en":"The question was refused.","zh":"请求被拒绝。"}}]}`)
	}
	return b
}

// Bounds of a refusal that is believed to be one.
const (
	maxRefusals    = 20
	maxRefusalText = 600 // bytes of one text
)

// readReply takes an answer apart. A refusal is an error: vocab.Problems, cut to
// a readable length. Any other error is garbage.
func readReply(reply []byte) ([]byte, error) {
	if len(reply) == 0 {
		return nil, garbage("empty", errors.New("no bytes"))
	}
	if reply[0] == answered {
		return reply[1:], nil
	}
	if reply[0] != '{' || len(reply) > maxRefusal {
		return nil, garbage("answer", fmt.Errorf("it begins with byte %#x", reply[0]))
	}
	var r refusal
	if err := json.Unmarshal(reply, &r); err != nil {
		return nil, garbage("refusal", err)
	}
	if len(r.Problems) == 0 {
		return nil, garbage("refusal", errors.New("it names no problem"))
	}
	ps := r.Problems[:min(len(r.Problems), maxRefusals)]
	for i, p := range ps {
		message := vocab.Text{}
		for _, lang := range []string{"zh", "en"} {
			message[lang] = vocab.Printable(cut(p.Message.In(lang), maxRefusalText))
		}
		ps[i] = vocab.Problem{Path: vocab.Printable(cut(p.Path, maxRefusalText)), Code: vocab.Printable(cut(p.Code, 100)), Message: message}
	}
	return nil, ps
}

// packer compresses answers and bundles.
type packer struct{ e *zstd.Encoder }

// The window bounds what whoever unpacks must hold.
const window = 4 << 20

func newPacker() packer {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(2))
	if err != nil {
		panic(err) // its options are constants
	}
	return packer{e}
}

func (p packer) pack(raw []byte) []byte { return p.e.EncodeAll(raw, make([]byte, 0, len(raw)/3+64)) }

// unpacker undoes it, up to a size.
type unpacker struct{ d *zstd.Decoder }

func newUnpacker(most int) unpacker {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(uint64(most)), zstd.WithDecoderMaxWindow(window))
	if err != nil {
		panic(err) // likewise
	}
	return unpacker{d}
}

// unpack fails where there would be more than the size.
func (u unpacker) unpack(packed []byte) (raw []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			raw, err = nil, fmt.Errorf("zstd: %v", r)
		}
	}()
	return u.d.DecodeAll(packed, nil)
}
