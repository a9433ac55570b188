package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	defaultCheckpointEvery = 250 * time.Millisecond
	defaultHeartbeat       = time.Minute
	defaultAckWait         = 10 * time.Second
)

// Open brings the leaf cache level with the stream and checks the last signed
// checkpoint against it. Where they contradict, the log opens read-only and
// ReadOnly says why. A checkpoint signed under another origin or key, or one
// that cannot be read, is an error: see StartEpoch.
func Open(ctx context.Context, c Config) (*Log, error) {
	l, err := newLog(c, false)
	if err != nil {
		return nil, err
	}
	if l.signer, l.verifier, l.vkey, err = noteKeys(c.Origin, c.Seed); err != nil {
		return nil, err
	}
	if err := l.open(ctx); err != nil {
		return nil, err
	}
	runCtx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.done.Go(func() { l.signLoop(runCtx) })
	return l, nil
}

// OpenMirror opens the copy of a log that another hub signs under
// Config.VerifierKey; Seed, CheckpointEvery and Heartbeat are unused. Every
// reading method works as on the own log; it grows by Extend and Accept.
//
// A stream that is shorter than the last accepted checkpoint (an older copy of
// the store was restored, or the stream was dropped) is no harm: the mirror opens
// with what is there, publishes nothing, and what is missing is fetched again;
// the checkpoint stays what the log is held against. A stream with other entries
// than those accepted opens read-only: see ReadOnly.
func OpenMirror(ctx context.Context, c Config) (*Log, error) {
	l, err := newLog(c, true)
	if err != nil {
		return nil, err
	}
	if l.verifier, err = mirrorKey(c.Origin, c.VerifierKey); err != nil {
		return nil, err
	}
	l.vkey = c.VerifierKey
	if err := l.open(ctx); err != nil {
		return nil, err
	}
	l.stop = func() {}
	return l, nil
}

func newLog(c Config, mirror bool) (*Log, error) {
	if err := c.fill(mirror); err != nil {
		return nil, err
	}
	l := &Log{
		c: c, log: c.Logger.With("part", "ledger"), nc: c.JetStream.Conn(), mirror: mirror, id: mirrorID(c.Origin),
		prefix: c.JetStream.Options().APIPrefix, changed: make(chan struct{}),
		redacted: map[uint64]uint64{}, late: map[uint64]late{},
	}
	l.book.key = stateKey
	if mirror {
		l.log = l.log.With("origin", c.Origin)
		l.book.key = mirrorKeys + l.id
	}
	if l.prefix == "" {
		l.prefix = jetstream.DefaultAPIPrefix
	}
	return l, nil
}

func (c *Config) fill(mirror bool) error {
	if c.JetStream == nil || c.State == nil || c.Dir == "" || c.Stream == "" || c.Now == nil {
		return errors.New("ledger: JetStream, Stream, State, Dir and Now are needed")
	}
	if c.Subjects == "" {
		c.Subjects = "lianmu.log."
		if mirror {
			c.Subjects = "lianmu.mirror." + mirrorID(c.Origin) + "."
		}
	}
	if c.Late == "" {
		c.Late = "LIANMU_LATE"
	}
	if c.CheckpointEvery <= 0 {
		c.CheckpointEvery = defaultCheckpointEvery
	}
	if c.Heartbeat <= 0 {
		c.Heartbeat = defaultHeartbeat
	}
	if c.AckWait <= 0 {
		c.AckWait = defaultAckWait
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Ready == nil {
		c.Ready = func() error { return nil }
	}
	if c.Failed == nil {
		c.Failed = func(error) {}
	}
	if c.Damaged == nil {
		c.Damaged = func(uint64, error) {}
	}
	return nil
}

func (l *Log) open(ctx context.Context) error {
	err := os.MkdirAll(l.c.Dir, 0o700)
	if err == nil {
		err = l.load(ctx)
	}
	if err != nil {
		l.cache.close()
		return fmt.Errorf("opening log %s: %w", l.c.Origin, err)
	}
	return nil
}

// load reads what was signed or accepted, then cache and stream, and compares.
func (l *Log) load(ctx context.Context) error {
	if err := l.loadBook(ctx); err != nil {
		return err
	}
	want := l.book.highest()
	var err error
	if l.cache, err = openLeafCache(l.c.Dir); err != nil {
		return err
	}
	trusted, err := l.loadCache(ctx, want)
	if err != nil {
		return err
	}
	if err := l.cache.truncate(trusted); err != nil {
		return err
	}
	l.lastAt = l.tree.lastAt()
	l.publish(want)
	if err := l.learn(ctx); err != nil {
		return err
	}
	if err := l.catchUp(ctx); err != nil && !errors.Is(err, ErrReadOnly) {
		return err
	}
	l.cache.forget()
	for _, c := range l.book.all() {
		l.compare(c)
	}
	if l.mirror {
		l.publish(want)
		if err := l.learnLate(ctx); err != nil {
			return err
		}
	}
	l.complete(ctx)
	return nil
}

// loadCache fills the tree with what of the leaf cache can be trusted, and
// returns how many entries that is. Only what a checkpoint covers is taken: its
// root is known. The rest, a second's worth, is read from the stream again.
func (l *Log) loadCache(ctx context.Context, want Checkpoint) (uint64, error) {
	trusted := min(want.Size, l.cache.size())
	if l.mirror { // which may have lost its end
		head, err := l.head(ctx)
		if err != nil {
			return 0, err
		}
		trusted = min(trusted, head)
	}
	if trusted == 0 {
		return 0, nil
	}
	for i := range trusted {
		record, state, _ := l.cache.at(i)
		l.tree.add(record, state)
	}
	ok := trusted < want.Size || l.tree.root(trusted) == want.Root
	if ok {
		var err error
		if ok, err = l.spotCheck(ctx, trusted); err != nil {
			return 0, err
		}
	}
	if !ok {
		l.log.Warn("the leaf cache does not fit the log; reading the stream from its start")
		l.tree = tree{}
		return 0, nil
	}
	return trusted, nil
}
