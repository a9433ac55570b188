package admission

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"lianmu/federation/identity"
	"lianmu/hub/access"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// Bounds of the waiting list.
const (
	MaxDescriptor  = 64 << 10 // bytes of a descriptor that waits
	maxUninvited   = 500
	maxInvited     = 1000
	uninvitedKept  = 30 * 24 * time.Hour // beyond that one makes room for others
	waitingPrefix  = "waiting."
	openPrefix     = waitingPrefix + "open."
	invitedPrefix  = waitingPrefix + "invited."
	presentTimeout = 5 * time.Second

	presenters     = 4096 // clients whose new uninvited applicants are counted
	uninvitedAt    = 10   // of one client at once,
	uninvitedEvery = 10 * time.Minute
)

// Applicant is a space that waits for a decision.
type Applicant struct {
	DID        string       `json:"did"`
	Space      vocab.Space  `json:"space"` // as the descriptor says
	Digest     vocab.Digest `json:"digest"`
	Presented  time.Time    `json:"presented"`
	Created    time.Time    `json:"created"` // of its proof
	Expires    time.Time    `json:"expires,omitzero"`
	Invitation string       `json:"invitation,omitempty"` // id; "" if not invited
	Note       string       `json:"note,omitempty"`       // of the invitation
	// Odd is what the officer should look at before deciding; worked out when
	// asked for.
	Odd vocab.Problems `json:"odd,omitempty"`
	// Document is the descriptor as it was received.
	Document []byte `json:"document,omitempty"`
}

// place is where a space of this name waits. The name comes from outside; its
// digest is a key of fixed form.
func place(prefix, did string) string { return prefix + vocab.DigestOf([]byte(did)).String() }

// Present puts a verified descriptor of a space that is not admitted on the
// waiting list: raw is the document, s what it says, sec who signed it, invite
// the code that came with it or "". Of one space the newest waits. ctx says
// whose wrong codes, and whose new applicants without a code, are counted
// (access.ClaimOf).
//
// The receipt's status is waiting, superseded (a newer one waits), busy, or
// refused: admission.large, admission.full, admission.rate, invitation.…
func (d *Desk) Present(ctx context.Context, raw []byte, s *vocab.Space, sec identity.Secured, invite string) vocab.Receipt {
	ctx, cancel := context.WithTimeout(ctx, presentTimeout)
	defer cancel()
	r := vocab.Receipt{
		Status: vocab.Waiting, Kind: vocab.KindSpace.String(), Space: sec.Space, ID: sec.Space,
		Digest: sec.Digest, Content: sec.Content, ReceivedAt: d.c.Now().UTC().Truncate(time.Millisecond),
	}
	a := Applicant{
		DID: sec.Space, Space: *s, Digest: sec.Digest, Presented: r.ReceivedAt, Created: sec.Created, Expires: sec.Expires, Document: raw,
	}
	superseded, err := d.present(ctx, a, invite)
	var ps vocab.Problems
	switch {
	case err == nil && superseded:
		r.Status = vocab.Superseded
	case err == nil:
	case errors.As(err, &ps) && ps[0].Code != "hub.unavailable" && ps[0].Code != "busy":
		r.Status, r.Problems = vocab.Refused, ps
	default:
		d.c.Logger.Warn("a descriptor could not be put on the waiting list", "space", sec.Space, "err", err)
		r.Status, r.RetryAfterMS, r.Problems = vocab.Busy, 2000, vocab.ProblemsOf(err, "hub.unavailable")
	}
	return r
}

func (d *Desk) present(ctx context.Context, a Applicant, invite string) (superseded bool, err error) {
	if len(a.Document) > MaxDescriptor {
		return false, vocab.Problems{vocab.NewProblem("", "admission.large",
			"等待准入的空间描述最多 %d KB，此文件有 %d 字节；请精简后再提交。",
			"A descriptor that waits for admission has at most %d KB, this one has %d bytes: shorten it.", MaxDescriptor>>10, len(a.Document))}
	}
	d.presenting.Lock()
	defer d.presenting.Unlock()
	key := place(openPrefix, a.DID)
	if d.list.has(place(invitedPrefix, a.DID)) {
		key = place(invitedPrefix, a.DID)
	}
	waits := d.list.has(key)
	if invite != "" {
		inv, err := d.redeem(ctx, invite, a.DID)
		if err != nil {
			return false, err
		}
		a.Invitation, a.Note = inv.ID, inv.Note
	}
	if waits {
		old, _, ok, err := get[Applicant](ctx, d.c.KV, key)
		if err != nil {
			return false, err
		}
		if ok {
			if a.Invitation == "" {
				a.Invitation, a.Note = old.Invitation, old.Note
			}
			switch {
			case old.Digest == a.Digest && old.Invitation == a.Invitation:
				return false, nil
			case old.Created.After(a.Created):
				return true, nil
			}
		}
	}
	to := place(openPrefix, a.DID)
	if a.Invitation != "" {
		to = place(invitedPrefix, a.DID)
	}
	isNew := !d.list.has(to)
	var limiter *rate.Limiter // nil where nothing is counted
	if isNew && a.Invitation == "" {
		limiter = limiterOf(d.uninvited, access.ClaimOf(ctx).Client, uninvitedEvery, uninvitedAt)
		if limiter.TokensAt(d.c.Now()) < 1 {
			return false, d.noInvitation(access.ClaimOf(ctx).Client, a.DID, "admission.rate",
				"从您的网络地址提交的新空间太多，暂不能再收。请向目录节点的运营方索取邀请码，用 lianmu join --invite 提交；或过十几分钟再试。",
				"Too many new spaces have come from your network address, and no more are taken for now. Ask the operator of the hub for an invitation and present it with lianmu join --invite, or try again in some minutes.")
		}
	}
	if isNew {
		if err := d.makeRoom(ctx, a.Invitation != ""); err != nil {
			return false, err
		}
	}
	if err := d.keep(ctx, to, a); err != nil {
		return false, err
	}
	if limiter != nil {
		limiter.AllowN(d.c.Now(), 1) // presenting is held: nobody else took it
	}
	if waits && key != to {
		return false, d.drop(ctx, key)
	}
	return false, nil
}

func (d *Desk) keep(ctx context.Context, key string, a Applicant) error {
	_, rev, _, err := get[struct{}](ctx, d.c.KV, key)
	if err != nil {
		return err
	}
	if _, err = put(ctx, d.c.KV, key, a, rev); bus.Conflict(err) {
		return access.Busy()
	}
	if err == nil {
		d.list.add(key, d.c.Now())
	}
	return err
}

func (d *Desk) drop(ctx context.Context, key string) error {
	if err := d.c.KV.Purge(ctx, key); err != nil {
		return unavailable(err)
	}
	d.list.remove(key)
	return nil
}

// makeRoom refuses where the list is full. Of those without an invitation one
// that has waited for long makes room: anybody can sign a descriptor.
func (d *Desk) makeRoom(ctx context.Context, invited bool) error {
	prefix, most := openPrefix, maxUninvited
	if invited {
		prefix, most = invitedPrefix, maxInvited
	}
	n, oldest, since := d.list.count(prefix)
	if n < most {
		return nil
	}
	if !invited && d.c.Now().Sub(since) > uninvitedKept {
		return d.drop(ctx, oldest)
	}
	return vocab.Problems{vocab.NewProblem("", "admission.full",
		"等待准入的空间已有 %d 个，暂不能再收。请向目录节点的运营方索取邀请码，用 lianmu join --invite 提交，或过些日子再试。",
		"%d spaces wait for admission already, and no more are taken. Ask the operator of the hub for an invitation and present it with lianmu join --invite, or try again some days later.", n)}
}

// waiting finds who waits under a name.
func (d *Desk) waiting(ctx context.Context, did string) (a Applicant, key string, ok bool, err error) {
	for _, prefix := range []string{invitedPrefix, openPrefix} {
		key = place(prefix, did)
		if a, _, ok, err = get[Applicant](ctx, d.c.KV, key); ok || err != nil {
			return a, key, ok, err
		}
	}
	return a, "", false, nil
}

// Waiting lists who waits, those invited first and then the longest waiting,
// with what is odd about each and without the documents.
func (d *Desk) Waiting(ctx context.Context, who access.Who) ([]Applicant, error) {
	if err := who.Need(access.SpaceAdmit); err != nil {
		return nil, err
	}
	list, err := all[Applicant](ctx, d.c.KV, waitingPrefix)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b Applicant) int {
		if (a.Invitation == "") != (b.Invitation == "") {
			return strings.Compare(b.Invitation, a.Invitation)
		}
		return a.Presented.Compare(b.Presented)
	})
	judge := d.judge(list)
	for i := range list {
		list[i].Odd = judge.odd(&list[i])
		list[i].Document = nil
	}
	return list, nil
}

// Count returns how many wait, without reading what they say.
func (d *Desk) Count() int {
	n, _, _ := d.list.count(waitingPrefix)
	return n
}

// State tells a space how its application stands: the receipt of the descriptor
// that waits under this name, if one does.
func (d *Desk) State(ctx context.Context, did string) (vocab.Receipt, bool, error) {
	a, _, ok, err := d.waiting(ctx, did)
	if err != nil || !ok {
		return vocab.Receipt{}, false, err
	}
	return vocab.Receipt{
		Status: vocab.Waiting, Kind: vocab.KindSpace.String(), Space: a.DID, ID: a.DID, Digest: a.Digest, ReceivedAt: a.Presented,
	}, true, nil
}

// waitingList knows which keys are on the waiting list, and since when: as the
// bucket says, whichever process of the hub wrote there. Documents are not kept
// in memory.
type waitingList struct {
	watch jetstream.KeyWatcher
	done  sync.WaitGroup

	mu    sync.Mutex // guards since
	since map[string]time.Time
}

func followList(ctx context.Context, kv jetstream.KeyValue) (*waitingList, error) {
	w, err := kv.Watch(ctx, waitingPrefix+">", jetstream.MetaOnly())
	if err != nil {
		return nil, err
	}
	l := &waitingList{watch: w, since: map[string]time.Time{}}
	for {
		select {
		case e, ok := <-w.Updates():
			if !ok {
				return nil, errors.New("the bucket cannot be read")
			}
			if e == nil {
				l.done.Go(l.follow)
				return l, nil
			}
			l.hear(e)
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("reading the bucket: %w", ctx.Err()), w.Stop())
		}
	}
}

func (l *waitingList) follow() {
	for e := range l.watch.Updates() {
		if e != nil {
			l.hear(e)
		}
	}
}

func (l *waitingList) hear(e jetstream.KeyValueEntry) {
	if e.Operation() == jetstream.KeyValuePut {
		l.add(e.Key(), e.Created())
	} else {
		l.remove(e.Key())
	}
}

func (l *waitingList) add(key string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.since[key]; !ok {
		l.since[key] = at
	}
}

func (l *waitingList) remove(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.since, key)
}

func (l *waitingList) has(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.since[key]
	return ok
}

// count returns how many wait under a prefix, and who longest.
func (l *waitingList) count(prefix string) (n int, oldest string, since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, t := range l.since {
		if !strings.HasPrefix(k, prefix) {
			continue
		}
		n++
		if oldest == "" || t.Before(since) {
			oldest, since = k, t
		}
	}
	return n, oldest, since
}

func (l *waitingList) close() {
	_ = l.watch.Stop()
	l.done.Wait()
}
