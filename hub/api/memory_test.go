package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"sync"

	"lianmu/federation/ledger"
	"lianmu/hub/intake"
	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

// memoryCatalog has three offerings, one of them hidden.
type memoryCatalog struct {
	details []*view.Detail
	asked   view.Question
	err     error // what Find returns

	mu      sync.Mutex
	rebuild chan error // Rebuild waits for it
	refuse  bool       // Rebuild fails at once
	running bool
}

func newCatalog() *memoryCatalog {
	detail := func(space, id, title string, audience vocab.Audience, code string) *view.Detail {
		return &view.Detail{
			Offering: &vocab.Offering{
				ID: id, Kind: vocab.Product, Title: vocab.Text{"zh": title, "en": "About " + title},
				Description: vocab.Text{"zh": title + "的说明"}, RegistrationCode: "沪数登字第1号", Identifiers: []string{"local-7", code}, Modified: noon,
				Keywords: vocab.Texts{"zh": {"公交", "客流"}},
				Themes:   []vocab.Term{{Code: "B0300", Label: vocab.Text{"zh": "交通运输"}}},
				Form:     vocab.Term{Code: "002", Label: vocab.Text{"zh": "API产品"}},
			},
			Space: space, SpaceName: vocab.Text{"zh": "空间"}, Hub: "hub.example/log", Position: 7,
			Digest: vocab.DigestOf([]byte(id)), Created: noon, ReceivedAt: noon, Audience: audience,
			Document: json.RawMessage(`{"@id":"` + id + `"}`),
		}
	}
	return &memoryCatalog{rebuild: make(chan error), details: []*view.Detail{
		detail(spaceA, idA, "公交客流<script>alert(1)</script>", vocab.AudiencePublic, codeA),
		detail(spaceB, idB, "空气质量", vocab.AudiencePublic, ""),
		detail(spaceB, "urn:hidden", "内部", vocab.AudienceSpace, ""),
	}}
}

func (c *memoryCatalog) Find(_ context.Context, q view.Question) (*view.Answer, error) {
	c.asked = q
	if c.err != nil {
		return nil, c.err
	}
	a := &view.Answer{TookMS: 0.1, Coverage: []view.Coverage{{Hub: "hub.example/log", LogSize: 3, Indexed: 3, State: "current"}}}
	for _, d := range c.details {
		if d.Audience != vocab.AudiencePublic {
			continue
		}
		a.Total++
		a.Hits = append(a.Hits, view.Hit{SpaceName: d.SpaceName, Hit: index.Hit{
			ID: d.Offering.ID, Space: d.Space, Hub: d.Hub, Kind: d.Offering.Kind, Title: d.Offering.Title,
			Summary: d.Offering.Description, Modified: d.Offering.Modified, Position: d.Position,
		}})
	}
	return a, nil
}

func (c *memoryCatalog) Coverage() []view.Coverage {
	return []view.Coverage{{Hub: "hub.example/log", LogSize: 3, Indexed: 3, State: "current"}, {Hub: "lianmu/zB/1", LogSize: 9, Indexed: 9, AgeS: 7, State: "ageing"}}
}

func (c *memoryCatalog) Suggest(_ context.Context, prefix string, _ vocab.Reader, limit int) ([]index.Suggestion, error) {
	if prefix == "nothing" {
		return nil, nil
	}
	all := []index.Suggestion{{Text: prefix + "客流", Kind: "title", Count: 2}, {Text: prefix + "线路", Kind: "keyword"}}
	return all[:min(limit, len(all))], nil
}

func (c *memoryCatalog) Offering(_ context.Context, space, id string, reader vocab.Reader) (*view.Detail, error) {
	for _, d := range c.details {
		if d.Space == space && d.Offering.ID == id && reader.MaySee(d.Audience, d.Space) {
			return d, nil
		}
	}
	return nil, view.ErrNotFound
}

func (c *memoryCatalog) OfferingByKey(_ context.Context, id string, reader vocab.Reader) (*view.Detail, error) {
	for _, d := range c.details {
		if (d.Offering.ID == id || slices.Contains(d.Offering.Identifiers, id)) && reader.MaySee(d.Audience, d.Space) {
			return d, nil
		}
	}
	return nil, view.ErrNotFound
}

func (c *memoryCatalog) Spaces(context.Context, vocab.Reader) ([]view.SpaceSummary, error) {
	return []view.SpaceSummary{
		{Space: vocab.Space{DID: spaceA, Name: vocab.Text{"zh": "城市空间"}}, Offerings: 1, LastEntry: noon},
		{Space: vocab.Space{DID: spaceB}, Offerings: 2}, // without a descriptor, so without a name
		{Space: vocab.Space{DID: "did:web:example.com:空间", Name: vocab.Text{"zh": "行业空间"}}},
	}, nil
}

func (c *memoryCatalog) States(context.Context) ([]view.State, error) {
	return []view.State{{View: "index", Position: 3, Offerings: 3}}, nil
}

func (c *memoryCatalog) Rebuild(ctx context.Context) error {
	if c.refuse {
		return errors.New("refused")
	}
	c.setRunning(true)
	defer c.setRunning(false)
	select {
	case err := <-c.rebuild:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *memoryCatalog) setRunning(b bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = b
}

func (c *memoryCatalog) RebuildProgress() (done, total uint64, running bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return 1, 3, c.running
}

// memoryIntake answers with whatever status the document names.
type memoryIntake struct {
	receipts map[vocab.Digest]vocab.Receipt
	refused  []intake.Quarantined // newest first
	log      *memoryLog
	seen     []byte
}

func (in *memoryIntake) Submit(_ context.Context, raw []byte) vocab.Receipt {
	in.seen = raw
	var doc struct{ Status vocab.Status }
	r := vocab.Receipt{Status: vocab.Refused, Digest: vocab.DigestOf(raw)}
	if err := json.Unmarshal(raw, &doc); err != nil {
		r.Problems = vocab.Problems{vocab.NewProblem("", "json.syntax", "不是 JSON", "not JSON")}
		return r
	}
	r.Status = doc.Status
	if r.Status == vocab.Busy {
		r.RetryAfterMS = 1500
	}
	in.receipts[r.Digest] = r
	return r
}

func (in *memoryIntake) Receipt(ctx context.Context, d vocab.Digest, reader vocab.Reader) (vocab.Receipt, bool) {
	if i, ok := in.log.Find(d); ok {
		if rec, err := in.log.Get(ctx, i); err != nil || !reader.All && rec.Fact.ID == "urn:hidden" {
			return vocab.Receipt{}, false
		}
	}
	r, ok := in.receipts[d]
	return r, ok && (r.Status != vocab.Refused || reader.MaySee(vocab.AudienceSpace, r.Space))
}

func (in *memoryIntake) Quarantine(_ context.Context, before uint64, limit int) ([]intake.Quarantined, error) {
	var out []intake.Quarantined
	for _, q := range in.refused {
		if (before == 0 || q.Sequence < before) && len(out) < limit {
			out = append(out, q)
		}
	}
	return out, nil
}

// memoryLog is a list of records and one tile.
type memoryLog struct {
	records    []ledger.Record
	checkpoint []byte
	tileAsked  string
	err        error // what Get returns
}

func newLog() *memoryLog {
	l := &memoryLog{checkpoint: []byte("hub.example/log\n3\nAAAA\n\n— hub.example/log sig\n")}
	for _, id := range []string{idA, idB, "urn:hidden"} {
		doc := []byte(`{"@id":"` + id + `"}`)
		l.add(vocab.Fact{Kind: vocab.KindOffering, ID: id, Digest: vocab.DigestOf(doc)}, doc)
	}
	return l
}

func (l *memoryLog) add(f vocab.Fact, doc []byte) {
	l.records = append(l.records, ledger.Record{Index: uint64(len(l.records)), ReceivedAt: noon, Fact: f, Document: doc})
}

func (l *memoryLog) Origin() string      { return "hub.example/log" }
func (l *memoryLog) Size() uint64        { return uint64(len(l.records)) }
func (l *memoryLog) Checkpoint() []byte  { return l.checkpoint }
func (l *memoryLog) VerifierKey() string { return "hub.example/log+00000000+AAAA" }

func (l *memoryLog) Tile(path string) ([]byte, error) {
	l.tileAsked = path
	if path == "tile/0/000.p/3" || path == "tile/0/000" {
		return bytes.Repeat([]byte{1}, 96), nil
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
}

func (l *memoryLog) Find(d vocab.Digest) (uint64, bool) {
	for _, r := range l.records {
		if r.Fact.Digest == d {
			return r.Index, true
		}
	}
	return 0, false
}

func (l *memoryLog) Get(_ context.Context, i uint64) (ledger.Record, error) {
	if l.err != nil {
		return ledger.Record{}, l.err
	}
	if i >= l.Size() {
		return ledger.Record{}, errors.New("beyond the log")
	}
	return l.records[i], nil
}
