package intake

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"lianmu/hub/access"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// Quarantined is a refused submission, kept for 30 days.
type Quarantined struct {
	Sequence   uint64         `json:"sequence"`
	ReceivedAt time.Time      `json:"received_at"`
	Space      string         `json:"space,omitempty"` // as claimed; not proven
	ID         string         `json:"id,omitempty"`
	Digest     vocab.Digest   `json:"digest"`
	Bytes      int            `json:"bytes"`
	Problems   vocab.Problems `json:"problems"`
	Document   []byte         `json:"document,omitempty"` // not where keeping it is forbidden
	Withheld   bool           `json:"withheld,omitempty"` // whoever asked may not see the document
}

// For is what somebody sees of a refusal: the document, its @id, and what quotes
// it, only who sees every audience, or is of the space that it says it is from.
// For whom it was meant is not known, as it was refused. All others see when it
// came, from whom, and the codes of what was wrong.
func (q Quarantined) For(who access.Who) Quarantined {
	if seesContent(who, q.Space) {
		return q
	}
	q.Withheld = q.Withheld || q.Document != nil
	q.Document, q.ID, q.Problems = nil, "", codesOf(q.Problems)
	return q
}

// RefusalFor is For of a refusal's receipt.
func RefusalFor(r vocab.Receipt, who access.Who) vocab.Receipt {
	if !seesContent(who, r.Space) {
		r.ID, r.Problems, r.Warnings = "", codesOf(r.Problems), nil
	}
	return r
}

func seesContent(who access.Who, space string) bool {
	return who.May(access.ReadAll) || space != "" && who.Space == space
}

// codesOf is what problems say without a word of the document: messages quote
// its values, and paths its members.
func codesOf(ps vocab.Problems) vocab.Problems {
	if ps == nil {
		return nil
	}
	out := make(vocab.Problems, len(ps))
	for i, p := range ps {
		out[i] = vocab.NewProblem("", p.Code, "详情会引用文件内容，您无权查看；请有权查看全部可见范围的人办理",
			"the details would quote the document, which you may not see: ask somebody who sees every audience")
	}
	return out
}

// Bounds of the quarantine beside those of its stream.
const (
	quarantineIndex   = 20_000 // digests remembered
	quarantineBody    = 64 << 10
	quarantineBacklog = 1024 // refusals waiting to be written; beyond it they are only counted
	publishTimeout    = 5 * time.Second
	closeGrace        = time.Second // for writing the backlog when the hub stops

	// Of what nobody has rightly signed few are kept: each is an fsync, for which
	// the log would have to wait, and anybody can send as many as he likes.
	unsignedAtOnce    = 200
	unsignedPerSecond = 2
)

// Quarantine keeps refusals in their own stream, so that an operator can see
// what was wrong. It is help, not record: under a flood it drops, never blocks.
type Quarantine struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	now    func() time.Time
	log    *slog.Logger

	failed func(error) // hears that the store does not take a refusal

	seen     *lru.Cache[vocab.Digest, uint64] // digest → stream sequence; 0 while being written
	unsigned *rate.Limiter
	backlog  chan Quarantined
	done     sync.WaitGroup
	run      context.Context // ends soon after Close began
	cancel   context.CancelFunc
}

// OpenQuarantine reads the digests of what is already there. failed hears that
// the store, though connected, takes nothing; it may be nil.
func OpenQuarantine(ctx context.Context, js jetstream.JetStream, now func() time.Time, log *slog.Logger, failed func(error)) (*Quarantine, error) {
	stream, err := js.Stream(ctx, bus.QuarantineStream)
	if err != nil {
		return nil, err
	}
	seen, err := lru.New[vocab.Digest, uint64](quarantineIndex)
	if err != nil {
		return nil, err
	}
	q := &Quarantine{js: js, stream: stream, now: now, log: log, seen: seen, backlog: make(chan Quarantined, quarantineBacklog), failed: failed, unsigned: rate.NewLimiter(unsignedPerSecond, unsignedAtOnce)}
	if err := q.load(ctx); err != nil {
		return nil, err
	}
	q.run, q.cancel = context.WithCancel(context.WithoutCancel(ctx))
	q.done.Go(q.write)
	return q, nil
}

const digestHeader = "Lianmu-Digest"

func (q *Quarantine) load(ctx context.Context) error {
	return q.each(ctx, func(seq uint64, d vocab.Digest) { q.seen.Add(d, seq) })
}

// each calls f for every refusal that is kept, oldest first.
func (q *Quarantine) each(ctx context.Context, f func(seq uint64, d vocab.Digest)) error {
	info, err := q.stream.Info(ctx)
	if err != nil || info.State.Msgs == 0 {
		return err
	}
	cons, err := q.js.OrderedConsumer(ctx, bus.QuarantineStream, jetstream.OrderedConsumerConfig{HeadersOnly: true})
	if err != nil {
		return err
	}
	for left := info.State.Msgs; left > 0; {
		batch, err := cons.Fetch(int(min(left, 1000)), jetstream.FetchMaxWait(5*time.Second))
		if err != nil {
			return err
		}
		got := uint64(0)
		for m := range batch.Messages() {
			got++
			meta, err := m.Metadata()
			if err != nil {
				return err
			}
			if d, err := vocab.ParseDigest(m.Headers().Get(digestHeader)); err == nil {
				f(meta.Sequence.Stream, d)
			}
		}
		if got == 0 {
			return batch.Error()
		}
		left -= min(got, left)
	}
	return nil
}

// Put keeps a refusal; the same bytes are kept once, and of what no space has
// signed, by its receipt, few. read tells whether the
// document was read whole, secret whether it may hold what must not be kept.
// Only of one that was read and is not secret are body and @id kept: of any
// other it is not known that they are not classified and name no person.
func (q *Quarantine) Put(r vocab.Receipt, raw []byte, read, secret bool) {
	if found, _ := q.seen.ContainsOrAdd(r.Digest, 0); found {
		return
	}
	if r.Space == "" && !q.unsigned.AllowN(q.now(), 1) {
		q.seen.Remove(r.Digest)
		return
	}
	item := Quarantined{
		ReceivedAt: q.now().UTC(), Space: r.Space, Digest: r.Digest, Bytes: len(raw), Problems: r.Problems,
	}
	if read && !secret {
		item.ID = r.ID
		if len(raw) <= quarantineBody {
			item.Document = raw
		}
	}
	select {
	case q.backlog <- item:
	default:
		q.seen.Remove(r.Digest)
	}
}

func (q *Quarantine) write() {
	for item := range q.backlog {
		body, err := json.Marshal(item)
		if err != nil {
			continue
		}
		msg := natsMessage(bus.QuarantinePrefix+"refused", body)
		msg.Header.Set(digestHeader, item.Digest.String())
		seq, err := q.publish(msg)
		if err != nil {
			q.seen.Remove(item.Digest)
			if q.run.Err() == nil {
				q.log.Warn("a refusal could not be kept", "digest", item.Digest, "err", err)
			}
			continue
		}
		q.seen.Add(item.Digest, seq)
	}
}

// publish writes a message. A server that stays connected and yet confirms it
// twice not is one whose store has failed, as after a full disk.
func (q *Quarantine) publish(msg *nats.Msg) (seq uint64, err error) {
	conn := q.js.Conn()
	server, reconnects := conn.ConnectedServerId(), conn.Stats().Reconnects
	for range 2 {
		ctx, cancel := context.WithTimeout(q.run, publishTimeout)
		var ack *jetstream.PubAck
		ack, err = q.js.PublishMsg(ctx, msg)
		cancel()
		if err == nil {
			return ack.Sequence, nil
		}
	}
	if q.failed != nil && q.run.Err() == nil && conn.IsConnected() && conn.ConnectedServerId() == server && conn.Stats().Reconnects == reconnects {
		q.failed(err)
	}
	return 0, err
}

// Receipt returns the receipt of a refused document.
func (q *Quarantine) Receipt(ctx context.Context, d vocab.Digest) (vocab.Receipt, bool) {
	seq, ok := q.seen.Get(d)
	if !ok || seq == 0 {
		return vocab.Receipt{}, false
	}
	item, err := q.get(ctx, seq)
	if err != nil {
		return vocab.Receipt{}, false
	}
	return vocab.Receipt{
		Status: vocab.Refused, Space: item.Space, ID: item.ID, Digest: item.Digest,
		ReceivedAt: item.ReceivedAt, Problems: item.Problems,
	}, true
}

func (q *Quarantine) get(ctx context.Context, seq uint64) (Quarantined, error) {
	m, err := q.stream.GetMsg(ctx, seq)
	if err != nil {
		return Quarantined{}, err
	}
	var item Quarantined
	if err := json.Unmarshal(m.Data, &item); err != nil {
		return Quarantined{}, err
	}
	item.Sequence = seq
	return item, nil
}

// List returns at most limit (1 to 100) refusals, newest first, with sequence
// numbers below before; 0 starts at the newest.
func (q *Quarantine) List(ctx context.Context, before uint64, limit int) ([]Quarantined, error) {
	info, err := q.stream.Info(ctx)
	if err != nil {
		return nil, err
	}
	if before == 0 || before > info.State.LastSeq {
		before = info.State.LastSeq + 1
	}
	var items []Quarantined
	for seq := before - 1; seq >= max(info.State.FirstSeq, 1) && len(items) < min(max(limit, 1), 100); seq-- {
		item, err := q.get(ctx, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

// Close writes what is waiting, as far as that is quick, and stops; nothing may
// be Put after it.
func (q *Quarantine) Close() {
	close(q.backlog)
	defer time.AfterFunc(closeGrace, q.cancel).Stop()
	q.done.Wait()
	q.cancel()
}
