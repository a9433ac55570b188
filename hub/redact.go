package hub

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"lianmu/federation/identity"
	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// RedactRequest names an entry of the hub's log whose body is to be deleted, and
// why. Ground and Reason stand in the log for everybody to read.
type RedactRequest struct {
	Index  uint64 `json:"index"`
	Ground string `json:"ground"`           // authority, personal, classified or retention
	Reason string `json:"reason,omitempty"` // for people, at most 500 characters; never what was redacted
}

// Bounds of a redaction.
const (
	MaxRedactions    = 1000 // entries named at once
	redactedAlone    = 50   // beyond it a second person must have agreed
	redactionReason  = 500  // characters
	redactionBy      = 200  // characters of a name
	redactionsAtOnce = 64   // submitted together
	redactionTime    = 5 * time.Minute
)

// redactions is what a hub needs to redact.
type redactions struct {
	one   sync.Mutex // held while some are made: each request sees what the one before did
	purge *purge
}

func newRedactions(h *Hub) *redactions {
	return &redactions{purge: newPurge(h.c.Dir, h.base.log, h.base.catalog, h.c.Logger)}
}

// Redact deletes the bodies of entries, in the log and wherever else the hub
// keeps something of them: for each it puts a signed redaction into the log,
// overwrites the body in the store, forgets it in memory and in the quarantine,
// and has the index built anew in the background (an index deletes a document
// long before its words leave the files; see purge). Every copy of the same bytes in the
// log is redacted along, and the space cannot publish the same content under
// another signature. by is who decided, second who agreed; of more than 50
// entries somebody else must have.
//
// It returns the receipt of each request's redaction, "unchanged" where the
// entry was redacted before; nothing is deleted where it is refused or busy. The
// error is vocab.Problems: all that is wrong with the requests, by "/<number>",
// and nothing was done; or "redact.incomplete": the redactions are in the log
// and nobody can read the bodies any more, but they are not deleted everywhere.
// Asking again, or the next start, completes that.
func (h *Hub) Redact(ctx context.Context, requests []RedactRequest, by, second string) ([]vocab.Receipt, error) {
	h.redactions.one.Lock()
	defer h.redactions.one.Unlock()
	targets, err := h.base.redactTargets(ctx, requests, by, second, h.c.Now())
	if err != nil {
		return nil, err
	}
	// Whoever asked may go away; what was begun is completed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), redactionTime)
	defer cancel()
	h.submitRedactions(ctx, targets)
	receipts := make([]vocab.Receipt, len(requests))
	var done []redactTarget
	for _, t := range targets {
		if r := t.receipt; receipts[t.request].Status == "" || r.Status == vocab.Refused || r.Status == vocab.Busy {
			receipts[t.request] = r
		}
		if t.receipt.Log != nil && t.receipt.Status != vocab.Refused && t.receipt.Status != vocab.Busy {
			done = append(done, t)
		}
	}
	for i, q := range requests { // one for an entry that an earlier request redacted along
		if j := slices.IndexFunc(targets, func(t redactTarget) bool { return t.record.Index == q.Index }); receipts[i].Status == "" && j >= 0 {
			receipts[i] = targets[j].receipt
		}
	}
	if err := h.erase(ctx, done); err != nil {
		h.c.Logger.Error("redacted entries are not deleted everywhere", "err", err)
		return receipts, vocab.Problems{vocab.NewProblem("", "redact.incomplete",
			"删除记录已写入账本，正文已不可读，但还没有从所有存储中删净；请再次执行，或重启节点。详情：%v。",
			"The redactions are in the log and the bodies cannot be read any more, but they are not deleted everywhere yet: run this again, or restart the hub. Details: %v.", err)}
	}
	return receipts, nil
}

// redactTarget is one entry whose body is to go.
type redactTarget struct {
	request  int // which request it belongs to
	record   ledger.Record
	document []byte // the redaction, signed; nil where the log has one
	receipt  vocab.Receipt
}

// redactTargets checks the requests and writes a redaction for every entry that
// has none yet.
func (b *base) redactTargets(ctx context.Context, requests []RedactRequest, by, second string, now time.Time) ([]redactTarget, error) {
	if err := checkRedactRequests(requests, by, second); err != nil {
		return nil, err
	}
	var ps vocab.Problems
	var targets []redactTarget
	seen := map[uint64]bool{}
	for i, q := range requests {
		path := fmt.Sprintf("/%d", i)
		rec, err := b.log.Get(ctx, q.Index)
		if errors.Is(err, fs.ErrNotExist) {
			ps = append(ps, vocab.NewProblem(path+"/index", "redact.index",
				"账本中没有第 %d 条记录：现有 %d 条，序号从 0 数起；请用 lianmu log show 核对序号",
				"the log has no entry %d: it has %d, numbered from 0; look the number up with lianmu log show", q.Index, b.log.Size()))
			continue
		}
		if err != nil && !errors.Is(err, ledger.ErrDamaged) {
			ps = append(ps, vocab.NewProblem(path+"/index", "redact.index",
				"账本中读不到第 %d 条记录：%v", "entry %d cannot be read from the log: %v", q.Index, err))
			continue
		}
		for _, index := range b.log.FindAll(rec.Leaf.SHA256) {
			if seen[index] {
				continue
			}
			seen[index] = true
			t, problem := b.redactTarget(ctx, i, index, q, by, second, now)
			if problem != nil {
				problem.Path = path + "/index"
				ps = append(ps, *problem)
				continue
			}
			targets = append(targets, t)
		}
	}
	if len(ps) > 0 {
		return nil, ps
	}
	return targets, nil
}

func checkRedactRequests(requests []RedactRequest, by, second string) error {
	var ps vocab.Problems
	add := func(path, code, zh, en string, args ...any) {
		ps = append(ps, vocab.NewProblem(path, code, zh, en, args...))
	}
	if n := len(requests); n == 0 || n > MaxRedactions {
		add("", "redact.many", "一次可删除 1 到 %d 条记录的正文，收到 %d 条", "1 to %d entries can be redacted at a time, not %d", MaxRedactions, n)
		return ps
	}
	if by == "" || utf8.RuneCountInString(by) > redactionBy || utf8.RuneCountInString(second) > redactionBy {
		add("", "redact.by", "须写明由谁决定（最长 %d 个字）", "say who decided (at most %d characters)", redactionBy)
	}
	if len(requests) > redactedAlone && (second == "" || second == by) {
		add("", "redact.second", "一次删除超过 %d 条，须由另一人复核同意", "more than %d entries at a time need the agreement of a second person", redactedAlone)
	}
	for i, q := range requests {
		switch q.Ground {
		case "authority", "personal", "classified", "retention":
		default:
			add(fmt.Sprintf("/%d/ground", i), "redact.ground",
				"依据应为 authority（主管部门要求）、personal（个人信息）、classified（涉密）或 retention（保存期满）",
				"the ground is authority, personal, classified or retention")
		}
		if !utf8.ValidString(q.Reason) || utf8.RuneCountInString(q.Reason) > redactionReason {
			add(fmt.Sprintf("/%d/reason", i), "redact.reason", "理由最长 %d 个字", "the reason has at most %d characters", redactionReason)
		}
	}
	if len(ps) > 0 {
		return ps
	}
	return nil
}

// redactTarget writes the redaction of one entry, unless it has one.
func (b *base) redactTarget(ctx context.Context, request int, index uint64, q RedactRequest, by, second string, now time.Time) (redactTarget, *vocab.Problem) {
	refuse := func(code, zh, en string, args ...any) (redactTarget, *vocab.Problem) {
		p := vocab.NewProblem("", code, zh, en, args...)
		return redactTarget{}, &p
	}
	rec, err := b.log.Get(ctx, index)
	t := redactTarget{request: request, record: rec}
	if at, ok := b.log.RedactedBy(index); ok && err == nil {
		t.receipt = vocab.Receipt{
			Status: vocab.Unchanged, Kind: vocab.KindRedaction.String(), Space: b.did,
			Log: &vocab.Position{Origin: b.log.Origin(), Index: at},
		}
		return t, nil
	}
	switch {
	case err != nil || rec.Document == nil:
		return refuse("redact.gone", "第 %d 条记录的正文已损坏或丢失，不能按删除处理；请先用备份恢复账本",
			"the body of entry %d is lost or damaged, which a redaction must not cover up; restore the log from a backup first", index)
	case !ledger.Redactable(rec.Leaf.Kind):
		return refuse("redact.kind", "第 %d 条是目录节点自己的记录（%s），不能删除", "entry %d is the hub's own (%s) and cannot be redacted", index, rec.Leaf.Kind)
	}
	remains, ok := b.registry.Remains(index, rec.Fact)
	if !ok {
		return refuse("redact.unknown", "第 %d 条记录还没有归入目录，请稍后重试", "entry %d is not folded yet; try again in a moment", index)
	}
	remains.Index, remains.Leaf, remains.Ground, remains.Reason = index, rec.Leaf.Bytes(), q.Ground, q.Reason
	remains.By, remains.Second = by, second
	remains.Barred = remains.Barred && q.Ground != vocab.GroundRetention
	if t.document, err = signRedaction(remains, b.hubKey, now); err != nil {
		return refuse("internal", "删除记录无法签名：%v", "the redaction cannot be signed: %v", err)
	}
	return t, nil
}

// signRedaction writes a redaction as JSON-LD in our context and signs it.
func signRedaction(r vocab.Redaction, key identity.Signer, now time.Time) ([]byte, error) {
	text := struct {
		Context     string   `json:"@context"`
		Type        string   `json:"@type"`
		ID          string   `json:"@id"`
		Index       uint64   `json:"index"`
		Leaf        string   `json:"leaf"`
		Ground      string   `json:"ground"`
		Reason      string   `json:"reason,omitempty"`
		By          string   `json:"by"`
		Second      string   `json:"second,omitempty"`
		Space       string   `json:"space,omitempty"`
		Signer      string   `json:"signer,omitempty"`
		OfferingKey string   `json:"offeringKey,omitempty"`
		Keys        []string `json:"keys,omitempty"`
		Created     string   `json:"created,omitempty"`
		Content     string   `json:"contentDigest,omitempty"`
		Barred      bool     `json:"nameBarred,omitempty"`
		Audience    string   `json:"audience,omitempty"`
		Hub         string   `json:"hub,omitempty"`
	}{
		Context: "https://w3id.org/lianmu/v1", Type: "Redaction", ID: uuid.New().URN(),
		Index: r.Index, Leaf: base64.RawURLEncoding.EncodeToString(r.Leaf),
		Ground: r.Ground, Reason: r.Reason, By: r.By, Second: r.Second,
		Space: r.Space, Signer: r.Signer, Keys: r.Keys, Barred: r.Barred, Audience: string(r.Audience), Hub: r.Hub,
	}
	if r.Key != (vocab.Key{}) {
		text.OfferingKey = r.Key.String()
	}
	if !r.Created.IsZero() {
		text.Created = r.Created.UTC().Format(time.RFC3339Nano)
	}
	if !r.Content.IsZero() {
		text.Content = r.Content.String()
	}
	doc, err := json.Marshal(text)
	if err != nil {
		return nil, err
	}
	return identity.Sign(doc, key, identity.SignOptions{Created: now})
}

// submitRedactions puts the redactions into the log, many at once so that they
// share appends, and fills in the receipts.
func (h *Hub) submitRedactions(ctx context.Context, targets []redactTarget) {
	var wg sync.WaitGroup
	room := make(chan struct{}, redactionsAtOnce)
	for i := range targets {
		if t := &targets[i]; t.document != nil {
			room <- struct{}{}
			wg.Go(func() {
				t.receipt = h.intake.SubmitOwn(ctx, t.document)
				<-room
			})
		}
	}
	wg.Wait()
}

// erase deletes the bodies of entries whose redactions are in the log.
func (h *Hub) erase(ctx context.Context, done []redactTarget) error {
	indexes := make([]uint64, len(done))
	digests := make([]vocab.Digest, len(done))
	var errs []error
	for i, t := range done {
		indexes[i], digests[i] = t.record.Index, t.record.Leaf.SHA256
		if err := h.base.log.Redact(ctx, t.record.Index); err != nil {
			errs = append(errs, err)
		}
	}
	h.base.catalog.Forget(indexes...)
	errs = append(errs, h.intake.Forget(ctx, digests...))
	return errors.Join(errs...)
}
