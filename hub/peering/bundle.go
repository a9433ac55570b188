package peering

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"lianmu/federation/exchange"
	"lianmu/federation/ledger"
	"lianmu/hub/access"
	"lianmu/vocab"
)

// MaxBundle is the most bytes of a bundle that is taken in.
const MaxBundle = 64 << 30

// Export writes a log, the own one or a mirror, from entry from on as a bundle
// that any hub can import and verify: of documents what is public, of the others
// their leaf records. Errors are vocab.Problems: access.forbidden, peer.log,
// audit.unavailable; or those of w.
func (p *Peers) Export(ctx context.Context, who access.Who, w io.Writer, origin string, from uint64) error {
	return p.carry(ctx, who, "log.export", origin, func(ctx context.Context) (string, error) {
		log, card := p.c.Log, p.Card()
		if origin != log.Origin() {
			m := p.openOf(origin)
			if m == nil {
				return "", vocab.Problems{vocab.NewProblem("", "peer.log", "没有账本 %s；见 lianmu peer list。", "there is no log %s; see lianmu peer list", clip(origin))}
			}
			log, card = m.log, p.cardOf(origin)
		}
		counted := &counter{w: w}
		err := exchange.WriteBundle(ctx, counted, card, log.Checkpoint(), log, from, func(rec ledger.Record) bool {
			return p.mayRead(vocab.Reader{}, origin, rec, false)
		})
		return fmt.Sprintf("from %d, %d bytes", from, counted.n), err
	})
}

// Imported is what came of a bundle.
type Imported struct {
	Origin  string `json:"origin"`
	Hub     string `json:"hub"`
	Size    uint64 `json:"size"` // entries held now
	Entries uint64 `json:"entries"`
	Faulty  uint64 `json:"faulty"`
	Filled  uint64 `json:"filled"`  // that were here without their documents, which the bundle has
	Missing uint64 `json:"missing"` // documents lacking now that no bundle may leave out unsaid: see exchange.MayWithhold
}

// Import takes a log in from a bundle, as from any other source, and what the mirror
// lacks of documents that the bundle has, also where it has no entry more. What contradicts
// the log or is cut off is refused, and what came before that stays, so that it
// can be repeated. The log's hub must be an approved peer, or its log be mirrored
// already; and neither paused nor blocked. Errors are vocab.Problems: access.forbidden, peer.unknown, peer.state,
// bundle.…, log.…, audit.unavailable.
func (p *Peers) Import(ctx context.Context, who access.Who, r io.Reader) (done Imported, err error) {
	err = p.carry(ctx, who, "log.import", "", func(ctx context.Context) (string, error) {
		file, err := os.CreateTemp(p.c.Dir, "bundle-*")
		if err != nil {
			return "", err
		}
		defer func() { _ = errors.Join(file.Close(), os.Remove(file.Name())) }()
		n, err := io.Copy(file, io.LimitReader(r, MaxBundle+1))
		switch {
		case err != nil:
			return "", err
		case n > MaxBundle:
			return "", vocab.Problems{vocab.NewProblem("", "bundle.size", "离线包超过 %d GB。", "the bundle is over %d GB", MaxBundle>>30)}
		}
		bundle, err := exchange.OpenBundle(file, n)
		if err != nil {
			return "", err
		}
		done, err = p.takeBundle(ctx, bundle)
		return fmt.Sprintf("%s: %d entries, %d filled in, %d missing, %d bytes", done.Origin, done.Entries, done.Filled, done.Missing, n), err
	})
	return done, err
}

// takeBundle copies a bundle's log into its mirror.
func (p *Peers) takeBundle(ctx context.Context, bundle *exchange.Bundle) (done Imported, err error) {
	card, err := p.cards.read(ctx, bundle.Card())
	if err != nil {
		return done, err
	}
	done.Origin, done.Hub = card.Origin, card.Hub
	if err := p.importable(card.Hub); err != nil {
		return done, err
	}
	rec, known := p.store.mirror(card.Origin)
	if !known {
		if rec, known, err = p.admit(ctx, card.Hub, card); err != nil {
			return done, err
		}
	}
	switch {
	case !known:
		return done, unknown(card.Hub)
	case rec.State != Current:
		is := rec.State.Label()
		return done, vocab.Problems{vocab.NewProblem("", "peer.state",
			"账本 %[1]s 的状态是“%[2]s”，现在不能导入；见 lianmu peer list。", "the log %[1]s is %[3]s, so nothing can be imported now; see lianmu peer list", rec.Origin, is["zh"], is["en"])}
	}
	if _, err = p.renew(ctx, rec, card); err != nil {
		return done, err
	}
	m, err := p.awaitOpen(ctx, card.Origin)
	if err != nil {
		return done, err
	}
	cp, err := ledger.ParseCheckpoint(bundle.Checkpoint(), m.vkey)
	if err != nil {
		return done, vocab.Problems{vocab.NewProblem("", "bundle.checkpoint",
			"离线包里没有该账本的有效签封（%[1]v）。请重新导出或重新拷贝。", "the bundle has no valid checkpoint of the log (%[1]v): export or copy it again", err)}
	}
	if err := p.claim(m, cp.Size); err != nil {
		return done, err
	}
	defer p.release(m)
	before := m.log.Size()
	progress, err := m.advance(ctx, bundle, offer{peer: card.Hub, own: true, size: cp.Size, time: cp.Time, note: bundle.Checkpoint()})
	filled := 0
	if err == nil {
		filled, err = m.follower.MendAll(ctx, bundle, false)
	}
	done.Size, done.Entries, done.Faulty = m.log.Size(), m.log.Size()-before, progress.Faulty
	done.Filled, done.Missing = uint64(filled), uint64(m.log.Count(ledger.Missing))
	var fork *ledger.Contradiction
	var broken *exchange.LogFault
	switch {
	case errors.As(err, &fork):
		return done, p.halt(ctx, m.origin, contradicts(m.origin, fork.Why), fork.Have, fork.Got)
	case errors.As(err, &broken):
		return done, p.halt(ctx, m.origin, broken.Problem, bundle.Checkpoint())
	case err != nil:
		return done, err
	}
	m.went(offer{peer: card.Hub, time: cp.Time})
	m.keep(ctx, true)
	return done, nil
}

// importable refuses what is of a peer that is paused or blocked: nothing of it is
// taken, whoever carries it.
func (p *Peers) importable(did string) error {
	peer, _ := p.store.peer(did)
	switch peer.State {
	case Paused:
		return vocab.Problems{vocab.NewProblem("", "peer.state",
			"对等节点 %[1]s 已暂停，不能导入它的账本。请先恢复：lianmu peer resume %[1]s",
			"the peer %[1]s is paused, so nothing of it is imported; resume it first: lianmu peer resume %[1]s", did)}
	case Blocked:
		return vocab.Problems{vocab.NewProblem("", "peer.state",
			"节点 %[1]s 已被拒绝，不能导入它的账本。如要恢复交换，请先批准：lianmu peer approve %[1]s",
			"the hub %[1]s is blocked, so nothing of it is imported; to exchange logs with it again, approve it first: lianmu peer approve %[1]s", did)}
	}
	return nil
}

// awaitOpen waits for a mirror that has just been taken up, or is to judge as a
// newer card says.
func (p *Peers) awaitOpen(ctx context.Context, origin string) (*mirror, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if m := p.openOf(origin); m != nil && m.fits(m.record()) {
			return m, nil
		}
		if !sleep(ctx, 10*time.Millisecond) {
			return nil, unavailable(ctx.Err())
		}
	}
}

// counter counts what is written through it.
type counter struct {
	w io.Writer
	n int64
}

// Write implements io.Writer.
func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
