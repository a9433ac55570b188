package admission

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"lianmu/hub/access"
	"lianmu/hub/audit"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// Bounds of invitations.
const (
	DefaultInvitation = 14 * 24 * time.Hour
	MaxInvitation     = 365 * 24 * time.Hour
	maxInvitations    = 1000                // kept, spent ones included
	spentKept         = 30 * 24 * time.Hour // how long spent ones are listed
	codeLength        = 20                  // of 32 characters: 100 bits

	guessers     = 4096 // clients whose wrong codes are counted
	guessesAt    = 10   // wrong codes at once,
	guessesEvery = 30 * time.Second
)

// codeAlphabet leaves out what is misread: 0 O, 1 I.
const codeAlphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

// Invitation lets one space present itself with a note that the operator wrote
// beforehand. It admits nobody. Its code is known to who was given it alone.
type Invitation struct {
	ID      string    `json:"id"`
	Note    string    `json:"note,omitempty"`
	By      string    `json:"by"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	UsedBy  string    `json:"used_by,omitempty"` // DID that presented itself with it
	Used    time.Time `json:"used,omitzero"`
	Revoked bool      `json:"revoked,omitempty"`
}

// Open reports whether it can still be used.
func (i Invitation) Open(now time.Time) bool {
	return !i.Revoked && i.UsedBy == "" && now.Before(i.Expires)
}

const invitePrefix = "invite."

// inviteKey is where an invitation is kept: by the hash of its code, which with
// 100 random bits needs neither salt nor a slow hash. Codes may be written in
// groups and in lower case.
func inviteKey(code string) (key string, ok bool) {
	code = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))
	if len(code) != codeLength || strings.Trim(code, codeAlphabet) != "" {
		return "", false
	}
	h := sha256.Sum256([]byte("lianmu invitation " + code))
	return invitePrefix + hex.EncodeToString(h[:]), true
}

func newCode() string {
	var b [codeLength]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	for i := range b {
		b[i] = codeAlphabet[b[i]&31]
	}
	return string(b[:])
}

// Invite makes an invitation that holds for ttl (0: DefaultInvitation, at most
// MaxInvitation). The code is returned this once and kept nowhere. Errors are
// vocab.Problems (access.forbidden, request.…, admission.full, audit.…).
func (d *Desk) Invite(ctx context.Context, who access.Who, note string, ttl time.Duration) (code string, inv Invitation, err error) {
	if ttl == 0 {
		ttl = DefaultInvitation
	}
	if ttl < time.Minute || ttl > MaxInvitation {
		return "", inv, vocab.Problems{vocab.NewProblem("/days", "request.range",
			"邀请的有效期最长 %d 天。", "An invitation holds for %d days at most.", int(MaxInvitation.Hours()/24))}
	}
	if note, err = line("/note", note, maxShort, false); err != nil {
		return "", inv, err
	}
	code = newCode()
	key, _ := inviteKey(code)
	now := d.c.Now().UTC().Truncate(time.Second)
	inv = Invitation{ID: inviteID(key), Note: note, By: who.Label(), Created: now, Expires: now.Add(ttl)}
	err = d.record(ctx, who, "invitation.create", inv.ID, []access.Right{access.SpaceAdmit}, func(ctx context.Context) (string, error) {
		if err := d.tidyInvitations(ctx); err != nil {
			return "", err
		}
		_, err := put(ctx, d.c.KV, key, kept{inv, key}, 0)
		return note, err
	})
	if err != nil {
		return "", Invitation{}, err
	}
	return code, inv, nil
}

// kept is an invitation with its place in the bucket.
type kept struct {
	Invitation
	Key string `json:"key"`
}

func inviteID(key string) string { return key[len(invitePrefix):][:12] }

// Link is where an invited space goes on. The code is in the fragment, which no
// browser sends and no log keeps.
func (d *Desk) Link(code string) string {
	return strings.TrimRight(d.c.URL, "/") + "/join#" + code
}

// Invitations lists those that are open and those spent lately, newest first.
func (d *Desk) Invitations(ctx context.Context, who access.Who) ([]Invitation, error) {
	if err := who.Need(access.SpaceAdmit); err != nil {
		return nil, err
	}
	list, err := all[kept](ctx, d.c.KV, invitePrefix)
	out := make([]Invitation, len(list))
	for i, k := range list {
		out[i] = k.Invitation
	}
	slices.SortFunc(out, func(a, b Invitation) int { return b.Created.Compare(a.Created) })
	return out, err
}

// tidyInvitations forgets what was spent long ago, and refuses where there are
// too many all the same.
func (d *Desk) tidyInvitations(ctx context.Context) error {
	list, err := all[kept](ctx, d.c.KV, invitePrefix)
	if err != nil {
		return err
	}
	left, now := len(list), d.c.Now()
	for _, k := range list {
		if !k.Open(now) && now.Sub(k.Expires) > spentKept {
			if err := d.c.KV.Purge(ctx, k.Key); err != nil {
				return unavailable(err)
			}
			left--
		}
	}
	if left >= maxInvitations {
		return vocab.Problems{vocab.NewProblem("", "admission.full",
			"邀请已有 %d 份，请先撤销不用的，或等旧的到期。", "There are %d invitations: revoke what is not needed, or wait until older ones have expired.", left)}
	}
	return nil
}

// Revoke makes an invitation useless; one that is spent stays as it is. Errors
// are vocab.Problems (access.forbidden, invitation.unknown).
func (d *Desk) Revoke(ctx context.Context, who access.Who, id string) error {
	return d.record(ctx, who, "invitation.revoke", id, []access.Right{access.SpaceAdmit}, func(ctx context.Context) (string, error) {
		list, err := all[kept](ctx, d.c.KV, invitePrefix)
		if err != nil {
			return "", err
		}
		i := slices.IndexFunc(list, func(k kept) bool { return k.ID == id })
		if i < 0 {
			return "", vocab.Problems{vocab.NewProblem("", "invitation.unknown",
				"没有编号为 %s 的邀请。", "There is no invitation %s.", id)}
		}
		for range 3 {
			k, rev, ok, err := get[kept](ctx, d.c.KV, list[i].Key)
			if err != nil || !ok || k.UsedBy != "" || k.Revoked {
				return "", err
			}
			k.Revoked = true
			if _, err = put(ctx, d.c.KV, k.Key, k, rev); !bus.Conflict(err) {
				return "", err
			}
		}
		return "", access.Busy()
	})
}

// redeem spends the invitation of a code for a space; again for the same space
// is harmless. An empty code is none. Who has tried too many wrong codes is put
// off, the right one included.
func (d *Desk) redeem(ctx context.Context, code, did string) (Invitation, error) {
	client := access.ClaimOf(ctx).Client
	limiter := limiterOf(d.guesses, client, guessesEvery, guessesAt)
	now := d.c.Now()
	if limiter.TokensAt(now) < 1 {
		return Invitation{}, d.noInvitation(client, did, "invitation.rate",
			"错误的邀请码太多，请过几分钟再试；不带邀请码也可以提交。", "Too many wrong codes: try again in some minutes, or present it without one.")
	}
	wrong := func(code, zh, en string) (Invitation, error) {
		limiter.AllowN(now, 1)
		return Invitation{}, d.noInvitation(client, did, code, zh, en)
	}
	key, ok := inviteKey(code)
	if !ok {
		return wrong("invitation.unknown", "邀请码无效，应为 20 位字母和数字；请核对，或不带邀请码提交。",
			"The code is not valid, it has 20 letters and digits: check it, or present the descriptor without one.")
	}
	for range 3 {
		k, rev, ok, err := get[kept](ctx, d.c.KV, key)
		switch {
		case err != nil:
			return Invitation{}, err
		case !ok || k.Revoked:
			return wrong("invitation.unknown", "没有这个邀请码，或已被撤销；请核对，或向目录节点的运营方索取新的。",
				"There is no such code, or it was revoked: check it, or ask the operator of the hub for another.")
		case k.UsedBy == did:
			return k.Invitation, nil
		case k.UsedBy != "":
			return wrong("invitation.used", "这个邀请码已被别的空间用过；请向目录节点的运营方索取新的。",
				"Another space has used this code: ask the operator of the hub for another.")
		case !now.Before(k.Expires):
			return wrong("invitation.expired", "这个邀请码已过期；请向目录节点的运营方索取新的。",
				"This code has expired: ask the operator of the hub for another.")
		}
		k.UsedBy, k.Used = did, now.UTC().Truncate(time.Second)
		if _, err = put(ctx, d.c.KV, key, k, rev); !bus.Conflict(err) {
			return k.Invitation, err
		}
	}
	return Invitation{}, access.Busy()
}

func (d *Desk) noInvitation(client, did, code, zh, en string) error {
	d.c.Audit.Refused(audit.Record{Who: did, From: client, Act: "space.present", Object: did, Code: code})
	return vocab.Problems{vocab.NewProblem("", code, "%[1]s", "%[2]s", zh, en)}
}

// limiterOf returns the limiter of a client, a full one where it has none yet.
func limiterOf(all *lru.Cache[string, *rate.Limiter], client string, every time.Duration, burst int) *rate.Limiter {
	if l, ok := all.Get(client); ok {
		return l
	}
	l := rate.NewLimiter(rate.Every(every), burst)
	if earlier, found, _ := all.PeekOrAdd(client, l); found {
		return earlier
	}
	return l
}
