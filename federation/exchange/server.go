package exchange

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime/debug"
	"sync"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// Who asks.
type Who struct {
	DID      string       // of its hub key, as its token proved
	Reader   vocab.Reader // what it may see
	Approved bool         // it may have documents
	Takes    int          // the most bytes of an answer that the transport brings; default MaxAnswer
}

// ServerConfig says what a Server answers from. All but Shown, Asked and
// Logger are needed; all are called from many goroutines.
type ServerConfig struct {
	Card   func() []byte              // this hub's signed log card
	Logs   func() []*ledger.Log       // that are offered; the first is this hub's own
	CardOf func(origin string) []byte // the signed card of one of them; nil: it is not offered yet
	// Shown gives further checkpoints of one of them that this hub was shown and
	// that others should see, such as one that contradicts it. May be nil.
	Shown func(origin string) [][]byte
	// MayRead tells whether a reader may have an entry's document; rec has it, of
	// a faulty entry as Evidence.
	MayRead func(reader vocab.Reader, origin string, rec ledger.Record) bool
	// Asked hears of every logs question, and refuses it with an error
	// (vocab.Problems). Nil refuses nobody.
	Asked  func(did string, r LogsRequest) error
	Logger *slog.Logger
}

// Server answers questions about the logs that this hub holds. It knows nobody:
// who asks, and what they may see, it is told. How many questions are looked at
// at a time is for its caller to bound.
type Server struct {
	c      ServerConfig
	pack   packer
	board  board
	closed chan struct{}
	once   sync.Once
}

// NewServer returns a Server; Close ends it.
func NewServer(c ServerConfig) *Server {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Server{c: c, pack: newPacker(), closed: make(chan struct{})}
}

// Close answers all long polls that wait; later ones do not wait.
func (s *Server) Close() { s.once.Do(func() { close(s.closed) }) }

// Reply is Answer as bytes for the asker, refusals included.
func (s *Server) Reply(ctx context.Context, who Who, q Question, body []byte) []byte {
	return Reply(s.Answer(ctx, who, q, body))
}

// Answer answers one question, without the byte that Reply puts in front.
// Refusals are vocab.Problems: request.too_large, peer.question, peer.unapproved,
// log.not_found, hub.unavailable, internal, and those of Asked.
func (s *Server) Answer(ctx context.Context, who Who, q Question, body []byte) (answer []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.c.Logger.Error("a peer's question could not be answered", "question", q, "peer", who.DID, "panic", r, "stack", string(debug.Stack()))
			answer, err = nil, refuse("internal", "本节点出错，已记录。", "This hub failed; it is on record.")
		}
	}()
	if len(body) > MaxRequest {
		return nil, refuse("request.too_large", "请求超过 %[1]d 字节。", "A question has at most %[1]d bytes.", MaxRequest)
	}
	if who.Takes <= 0 {
		who.Takes = MaxAnswer
	}
	if q == AskLogs {
		r, err := parseLogsRequest(body)
		if err != nil {
			return nil, badQuestion(err)
		}
		return s.logs(ctx, who, r)
	}
	r, err := parseQuestion(q, body)
	if err != nil {
		return nil, badQuestion(err)
	}
	return s.answer(ctx, who, q, r)
}

// answer answers a question about one log.
func (s *Server) answer(ctx context.Context, who Who, q Question, r question) ([]byte, error) {
	log := s.log(r.Origin)
	if log == nil {
		return nil, refuse("log.not_found", "本节点没有账本 %[1]s。", "This hub does not have the log %[1]s.", r.Origin)
	}
	take := min(who.Takes, MaxAnswerHTTP)
	if r.Take > 0 {
		take = min(take, r.Take)
	}
	switch q {
	case AskCheckpoint:
		if note := log.Checkpoint(); note != nil {
			return note, nil
		}
		return nil, refuse("log.not_found", "账本 %[1]s 还没有签封。", "The log %[1]s has no checkpoint yet.", r.Origin)
	case AskLeaves:
		n := min(r.To-r.From, MaxLeaves, uint64(max(take/ledger.LeafSize, 1)))
		to := min(r.From+n, log.Latest().Size)
		if r.From >= to {
			return nil, beyond(r.Origin)
		}
		leaves, err := log.Leaves(r.From, to)
		return leaves, s.absent(r.Origin, err)
	case AskTile:
		tile, err := log.Tile(r.Path)
		return tile, s.absent(r.Origin, err)
	case AskDocuments:
		if !who.Approved {
			return nil, refuse("peer.unapproved",
				"本节点尚未批准您的节点（%[1]s）读取正文。请在您的节点运行 lianmu peer invite，把写出的名片交给本节点的运营方批准。",
				"This hub has not approved yours (%[1]s) for documents. Run lianmu peer invite at yours, and have the operator of this hub approve the card that it writes.", who.DID)
		}
		return s.documents(ctx, who, log, split(r.Digests), take)
	}
	return nil, badQuestion(fmt.Errorf("there is no question %q", q))
}

func (s *Server) log(origin string) *ledger.Log {
	for _, l := range s.c.Logs() {
		if l.Origin() == origin {
			return l
		}
	}
	return nil
}

// absent makes a refusal of an error of a log.
func (s *Server) absent(origin string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return beyond(origin)
	}
	s.c.Logger.Warn("a peer's question could not be answered", "origin", origin, "err", err)
	return refuse("hub.unavailable", "本节点暂时读不到账本 %[1]s，请稍后再问。", "This hub cannot read the log %[1]s at present; ask again later.", origin)
}

func beyond(origin string) error {
	return refuse("log.not_found", "这一段不在账本 %[1]s 的最新签封之内。", "This is not within the last checkpoint of the log %[1]s.", origin)
}

func badQuestion(err error) error {
	return refuse("peer.question", "问题的写法不对：%[1]v。", "The question is not well formed: %[1]v.", err)
}

func refuse(code, zh, en string, args ...any) error {
	return vocab.Problems{vocab.NewProblem("", code, zh, en, args...)}
}

// documents answers with as many of the documents as fit, at least one.
func (s *Server) documents(ctx context.Context, who Who, log *ledger.Log, digests []vocab.Digest, take int) ([]byte, error) {
	enough := min(4*take, rawPerAnswer)
	raw, ends, err := s.collect(ctx, who, log, digests, enough)
	if err != nil {
		return nil, s.absent(log.Origin(), err)
	}
	for n := len(ends); ; {
		packed := s.pack.pack(raw[:ends[n-1]])
		if len(packed) <= take || n == 1 {
			return packed, nil
		}
		n = max(1, min(n-1, n*take/len(packed)*9/10))
	}
}

// collect writes documents one after the other until there are enough bytes; ends
// are where each ends, at least one.
func (s *Server) collect(ctx context.Context, who Who, log *ledger.Log, digests []vocab.Digest, enough int) (raw []byte, ends []int, err error) {
	add := func(d Document) {
		raw = appendDocument(raw, d)
		ends = append(ends, len(raw))
	}
	for len(digests) > 0 && (len(ends) == 0 || len(raw) < enough) {
		at, n, ok := log.FindRun(digests)
		if !ok {
			add(Document{State: DocumentMissing})
			digests = digests[1:]
			continue
		}
		mayRead := func(rec ledger.Record) bool { return s.c.MayRead(who.Reader, log.Origin(), rec) }
		for d, err := range documents(ctx, log, at, at+n, mayRead) {
			if err != nil {
				return nil, nil, err
			}
			if log.RedactedDocument(digests[0]) { // perhaps as another entry
				d = Document{State: DocumentRedacted}
			}
			add(d)
			digests = digests[1:]
			if len(raw) >= enough {
				break
			}
		}
	}
	return raw, ends, nil
}

// shown is what is given of a record to whom mayRead speaks for.
func shown(rec ledger.Record, mayRead func(ledger.Record) bool) Document {
	b := rec.Document
	switch {
	case rec.Redacted || rec.State == ledger.Redacted:
		return Document{State: DocumentRedacted}
	case rec.State == ledger.Withheld:
		return Document{State: DocumentWithheld}
	case rec.State == ledger.Faulty:
		b = rec.Evidence
	}
	switch {
	case len(b) == 0 && rec.State == ledger.Faulty:
		return Document{State: DocumentWithheld} // from everybody: it must be nowhere
	case len(b) == 0:
		return Document{State: DocumentMissing}
	case !mayRead(rec):
		return Document{State: DocumentWithheld}
	}
	return Document{State: DocumentGiven, Bytes: b}
}

// logs answers a logs question, after waiting for news if it says so.
func (s *Server) logs(ctx context.Context, who Who, r LogsRequest) ([]byte, error) {
	if s.c.Asked != nil {
		if err := s.c.Asked(who.DID, r); err != nil {
			return nil, err
		}
	}
	offers := s.await(ctx, r)
	for {
		text, err := writeLogsAnswer(&LogsAnswer{Card: s.c.Card(), Logs: s.offered(offers, r.Held)})
		if err != nil {
			return nil, err
		}
		packed := s.pack.pack(text)
		if len(packed) <= min(who.Takes, MaxAnswer) && len(text) <= maxLogsText || len(offers) == 0 {
			return packed, nil
		}
		offers = offers[:len(offers)*3/4] // the most useful ones stand first
	}
}

// offered writes offers as an answer lists them, at most MaxLogs: what there is of
// each log, then what else was shown of it. What no reader would take is left out,
// and so are cards, and logs with nothing new, that the asker was shown already: else
// news of one log would bring the cards of all others each time.
func (s *Server) offered(offers []offer, held map[string]Held) []Offered {
	out := make([]Offered, 0, len(offers))
	add := func(origin string, o Offered) {
		if err := o.check(); err != nil {
			s.c.Logger.Warn("a log cannot be offered", "origin", origin, "err", err)
		} else if len(out) < MaxLogs {
			if h := held[origin]; h.Card != "" && h.Card == Mark(o.Card) {
				o.Card = nil
			}
			out = append(out, o)
		}
	}
	cards, shown := make([][]byte, len(offers)), make([][][]byte, len(offers))
	for i, o := range offers {
		if cards[i] = s.c.CardOf(o.origin); cards[i] == nil {
			continue
		}
		if s.c.Shown != nil {
			shown[i] = s.c.Shown(o.origin)
		}
		h := held[o.origin]
		known := h.Size >= o.size && h.Note != "" && h.Note == Mark(o.note) && h.Card == Mark(cards[i])
		if !known || len(shown[i]) > 0 {
			add(o.origin, Offered{Card: cards[i], Checkpoint: string(o.note), Own: o.own})
		}
	}
	for i, o := range offers {
		for _, note := range shown[i] {
			if string(note) != string(o.note) {
				add(o.origin, Offered{Card: cards[i], Checkpoint: string(note)})
			}
		}
	}
	return out
}
