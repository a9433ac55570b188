package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// askTimeout is how long one answer may take, beside what a long poll waits.
const askTimeout = 20 * time.Second

// Client is a hub that is asked through an Asker. It checks the form of answers,
// and nothing else. Any number of goroutines may use it.
type Client struct {
	ask     Asker
	take    int
	timeout time.Duration
	logs    unpacker
	docs    unpacker

	mu    sync.Mutex
	cards map[string]shownCard // by origin, what it last showed
}

// shownCard is a card and its Mark.
type shownCard struct {
	raw  []byte
	mark string
}

// NewClient returns a Source that asks through a. Where a has a method
// Takes() int, that is how many bytes of an answer it brings (at most
// MaxAnswerHTTP); else MaxAnswer.
func NewClient(a Asker) *Client {
	c := &Client{ask: a, take: MaxAnswer, timeout: askTimeout, logs: newUnpacker(maxLogsText), docs: newUnpacker(maxRaw), cards: map[string]shownCard{}}
	if t, ok := a.(interface{ Takes() int }); ok {
		c.take = min(t.Takes(), MaxAnswerHTTP)
	}
	return c
}

// Logs implements Source. A card comes over the wire once: later answers leave it out
// where r.Held has the log, and it is put in here.
func (c *Client) Logs(ctx context.Context, r LogsRequest) (*LogsAnswer, error) {
	r.Held = c.marked(r.Held)
	body, err := writeLogsRequest(r)
	if err != nil {
		return nil, err
	}
	b, err := c.put(ctx, AskLogs, body, c.timeout+time.Duration(r.WaitMS)*time.Millisecond)
	if err != nil {
		return nil, err
	}
	text, err := c.logs.unpack(b)
	if err != nil {
		return nil, garbage("logs", err)
	}
	a, err := parseLogsAnswer(text, c.shown)
	if err != nil {
		return nil, garbage("logs", err)
	}
	c.remember(a.Logs)
	return a, nil
}

// marked is held with the cards that are known.
func (c *Client) marked(held map[string]Held) map[string]Held {
	c.mu.Lock()
	defer c.mu.Unlock()
	held = maps.Clone(held)
	for origin, h := range held {
		h.Card = c.cards[origin].mark
		held[origin] = h
	}
	return held
}

func (c *Client) shown(origin string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cards[origin].raw
}

func (c *Client) remember(logs []Offered) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range logs {
		origin := originIn(o.Checkpoint)
		if o.Err != nil || ledger.CheckOrigin(origin) != nil || bytes.Equal(c.cards[origin].raw, o.Card) {
			continue
		}
		if len(c.cards) >= MaxLogs {
			clear(c.cards) // of so many, all come whole once more
		}
		c.cards[origin] = shownCard{o.Card, Mark(o.Card)}
	}
}

// Checkpoint asks for the signed checkpoint of one log.
func (c *Client) Checkpoint(ctx context.Context, origin string) ([]byte, error) {
	b, err := c.about(ctx, AskCheckpoint, question{Origin: origin})
	if err == nil && (len(b) == 0 || len(b) > MaxNote) {
		err = garbage("checkpoint", fmt.Errorf("it has %d bytes", len(b)))
	}
	return b, err
}

// Leaves implements Source.
func (c *Client) Leaves(ctx context.Context, origin string, from, to uint64) ([]byte, error) {
	to = min(to, from+MaxLeaves)
	b, err := c.about(ctx, AskLeaves, question{Origin: origin, From: from, To: to, Take: c.take})
	if err != nil {
		return nil, err
	}
	if err := checkLeaves(b, to-from); err != nil {
		return nil, garbage("leaves", err)
	}
	return b, nil
}

// checkLeaves says whether b can be 1 to n leaf records.
func checkLeaves(b []byte, n uint64) error {
	if len(b) == 0 || len(b)%ledger.LeafSize != 0 || uint64(len(b)/ledger.LeafSize) > n {
		return fmt.Errorf("%d bytes for %d leaf records of %d", len(b), n, ledger.LeafSize)
	}
	return nil
}

// Documents implements Source.
func (c *Client) Documents(ctx context.Context, origin string, digests []vocab.Digest) ([]Document, error) {
	digests = digests[:min(len(digests), MaxDocuments)]
	b, err := c.about(ctx, AskDocuments, question{Origin: origin, Digests: joined(digests), Take: c.take})
	if err != nil {
		return nil, err
	}
	raw, err := c.docs.unpack(b)
	if err != nil {
		return nil, garbage("documents", err)
	}
	documents, err := parseDocuments(raw, len(digests))
	if err != nil {
		return nil, garbage("documents", err)
	}
	return documents, nil
}

// Tile implements Source.
func (c *Client) Tile(ctx context.Context, origin, path string) ([]byte, error) {
	b, err := c.about(ctx, AskTile, question{Origin: origin, Path: path})
	if err == nil && len(b) > maxTile {
		err = garbage("tile", fmt.Errorf("it has %d bytes", len(b)))
	}
	return b, err
}

// maxTile is the most bytes of a tile: 256 leaf records, each with its length.
const maxTile = 256 * (ledger.LeafSize + 2)

// about asks a question about one log.
func (c *Client) about(ctx context.Context, q Question, r question) ([]byte, error) {
	body, err := json.Marshal(r, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	return c.put(ctx, q, body, c.timeout)
}

// put asks one question. Its error is a *SourceFault, or that of ctx.
func (c *Client) put(ctx context.Context, q Question, body []byte, wait time.Duration) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	reply, err := c.ask.Ask(limited, q, body)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, fault("peer.silent", "对方 %[2]d 秒内没有答复（%[1]s）。", "no answer within %[2]d s (%[1]s)", q, int(wait.Seconds()))
	case err != nil:
		return nil, unasked(q, err)
	case len(reply) > maxReply:
		return nil, garbage(string(q), fmt.Errorf("%d bytes", len(reply)))
	}
	answer, err := readReply(reply)
	var ps vocab.Problems
	var known *SourceFault
	if errors.As(err, &known) {
		return nil, err
	}
	if errors.As(err, &ps) {
		return nil, &SourceFault{Problem: vocab.NewProblem("", "peer.refused", "对方拒绝，答复说：“%[1]s”", "it refuses and says: “%[2]s”",
			ps[0].Message.In("zh"), ps[0].Message.In("en")), Err: ps}
	}
	return answer, nil
}

// maxReply is the most bytes of a whole answer.
const maxReply = MaxAnswerHTTP + ledger.MaxDocument + 4<<10

// unasked is the fault of a transport.
func unasked(q Question, err error) error {
	var known *SourceFault
	if errors.As(err, &known) {
		return err
	}
	return fault("peer.silent", "对方没有答复：%[1]v。请检查名片上的地址、网络和防火墙，以及对方是否在运行。", "it does not answer: %[1]v. Check the address on its card, network and firewall, and whether it runs.", err)
}
