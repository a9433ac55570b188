package peering

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"

	"lianmu/federation/ledger"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// A mirror takes some 0.9 KB of memory and 0.35 KB of disk an entry, even where its
// hub gives no document at all. So what the mirrors of one peer hold together is
// bounded (Settings.MaxEntries): beyond it a log stays at the checkpoint that it is
// at, and the others go on.

// answersFor is the peer on whose account a mirror is: its own hub, where that is a
// peer, else whoever brought it.
func (p *Peers) answersFor(rec Mirror) string {
	if owner, known := p.store.peer(rec.Hub); known && owner.State == Approved {
		return rec.Hub
	}
	return rec.From
}

// claim sets room aside for a mirror to grow to so many entries, until release. The
// error is vocab.Problems with code peer.entries: there is not so much.
func (p *Peers) claim(m *mirror, size uint64) error {
	of := p.answersFor(m.record())
	p.claiming.Lock()
	defer p.claiming.Unlock()
	most, sum := p.c.Settings.MaxEntries, size
	for _, rec := range p.store.allMirrors() {
		switch other := p.openOf(rec.Origin); {
		case other == m, !rec.wanted(), p.answersFor(rec) != of:
		case other == nil:
			sum += p.estimate(rec.Origin)
		default:
			sum += max(other.log.Size(), other.claimed)
		}
	}
	if have := m.log.Size(); size > have && sum > most {
		return vocab.Problems{vocab.NewProblem("", "peer.entries",
			"账本 %[1]s 停在 %[2]d 条：对方已有 %[3]d 条，而该节点的镜像合计最多 %[4]d 条。确有需要且内存够用（每条约 1 KB），请调高配置 peering.max_entries 后重启；否则请移除不用的账本或节点。",
			"the log %[1]s stays at %[2]d entries: there are %[3]d by now, and all mirrors of that peer may have %[4]d. If they are wanted and there is memory for them (some 1 KB an entry), raise peering.max_entries and restart; else remove what is not needed", m.origin, have, size, most)}
	}
	m.claimed = size
	return nil
}

func (p *Peers) release(m *mirror) {
	p.claiming.Lock()
	defer p.claiming.Unlock()
	m.claimed = 0
}

// room is claim for what is copied from a peer: it tells once where a log does not fit.
func (m *mirror) room(size uint64) bool {
	err := m.p.claim(m, size)
	m.mu.Lock()
	before := m.full
	m.full = err != nil
	m.mu.Unlock()
	if err == nil {
		return true
	}
	m.complain(err)
	if !before {
		m.p.c.Logger.Warn("a log does not fit and is not copied further", "origin", m.origin, "entries", size, "most", m.p.c.Settings.MaxEntries)
		m.p.tell(string(Full), m.origin)
	}
	return false
}

func (m *mirror) isFull() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.full
}

// estimate is about how many entries a mirror has that is not open: none or too few
// where its cache is gone.
func (p *Peers) estimate(origin string) uint64 {
	info, err := os.Stat(filepath.Join(p.c.Dir, bus.MirrorID(origin), "leaves"))
	if err != nil {
		return 0
	}
	return uint64(info.Size()) / ledger.LeafSize
}

// smallestFirst puts mirrors in the order in which they are opened: one that takes
// long holds up nobody else.
func (p *Peers) smallestFirst(all []Mirror) []Mirror {
	entries := map[string]uint64{}
	for _, rec := range all {
		entries[rec.Origin] = p.estimate(rec.Origin)
	}
	slices.SortStableFunc(all, func(a, b Mirror) int { return cmp.Compare(entries[a.Origin], entries[b.Origin]) })
	return all
}

// wanted reports whether a mirror should be open.
func (m Mirror) wanted() bool { return m.State == Current || m.State == Stopped }

// giveUp ends the opening of a mirror that is not wanted any more, as where its peer
// was removed because it is too large.
func (p *Peers) giveUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.opening == "" {
		return
	}
	if rec, known := p.store.mirror(p.opening); !known || !rec.wanted() {
		p.stopOpening()
	}
}
