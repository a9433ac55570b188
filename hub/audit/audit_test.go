package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"lianmu/federation/identity"
	"lianmu/federation/identity/identitytest"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

var start = time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC)

// clock is moved by the test alone.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) move(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.t = c.t.Add(d) }

func newBus(t *testing.T) *bus.Bus {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	b, err := bus.Start(t.Context(), bus.Config{Dir: t.TempDir(), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := b.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return b
}

func open(t *testing.T, b *bus.Bus, c Config) *Trail {
	t.Helper()
	trail, err := Open(t.Context(), b.JetStream, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		trail.stop()
		trail.done.Wait()
	})
	return trail
}

func newTrail(t *testing.T) (*Trail, *clock) {
	t.Helper()
	c := &clock{t: start}
	return open(t, newBus(t), Config{Now: c.now}), c
}

func put(t *testing.T, trail *Trail, r Record) {
	t.Helper()
	if err := trail.Put(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// all is every record, oldest first.
func all(t *testing.T, trail *Trail) []Record {
	t.Helper()
	var list []Record
	for before := uint64(0); ; {
		items, next, err := trail.List(t.Context(), before, 7, Filter{})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, items...)
		if next == 0 {
			break
		}
		before = next
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

func wantCode(t *testing.T, err error, want string) {
	t.Helper()
	var ps vocab.Problems
	if !errors.As(err, &ps) || ps[0].Code != want {
		t.Fatalf("got %v, want %s", err, want)
	}
	for _, lang := range []string{"zh", "en"} {
		if m := ps[0].Message[lang]; m == "" || strings.Contains(m, "%!") {
			t.Errorf("bad %s message %q", lang, m)
		}
	}
}

func TestRecordsFollowEachOther(t *testing.T) {
	b, c := newBus(t), &clock{t: start}
	trail := open(t, b, Config{Now: c.now})
	if trail.Head() != (Head{}) {
		t.Errorf("an empty trail ends at %+v", trail.Head())
	}
	put(t, trail, Record{Who: "did:key:a", Role: "review", Via: "token", From: "192.0.2.1", Act: "space.admit", Object: "did:key:s", Outcome: Done})
	c.move(-time.Hour) // a clock put back does not put records back
	put(t, trail, Record{Who: "did:key:b", Act: "index.rebuild", Outcome: Failed, Detail: "磁盘已满"})

	again := open(t, b, Config{Now: c.now})
	if again.Head() != trail.Head() || again.Head().Sequence != 2 {
		t.Fatalf("found again at %+v, left at %+v", again.Head(), trail.Head())
	}
	c.move(2 * time.Hour)
	put(t, again, Record{Act: "token", Outcome: Done})
	list := all(t, trail)
	if len(list) != 3 || list[0].Sequence != 1 || !list[0].Prev.IsZero() {
		t.Fatalf("%+v", list)
	}
	for i, r := range list[1:] {
		if r.Prev != list[i].Hash || r.Time.Before(list[i].Time) || r.Hash.IsZero() {
			t.Errorf("record %d does not follow: %+v", r.Sequence, r)
		}
	}
	if !list[1].Time.Equal(start) || !list[2].Time.Equal(start.Add(time.Hour)) || list[1].Detail != "磁盘已满" {
		t.Errorf("%+v", list[1:])
	}
	report, err := trail.Verify(t.Context())
	if err != nil || report.Records != 3 || report.First != 1 || report.Last != 3 || report.Before != 0 || report.Hash != again.Head().Hash {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestManyProcessesWriteOneChain(t *testing.T) {
	b, c := newBus(t), &clock{t: start}
	const writers, each = 4, 25
	var wg sync.WaitGroup
	for w := range writers {
		trail := open(t, b, Config{Now: c.now})
		for half := range 2 { // two goroutines of one process
			wg.Go(func() {
				for i := range each {
					if err := trail.Put(t.Context(), Record{Act: "test", Object: fmt.Sprint(w, half, i), Outcome: Done}); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	trail := open(t, b, Config{Now: c.now})
	report, err := trail.Verify(t.Context())
	if err != nil || report.Records != 2*writers*each {
		t.Fatalf("%+v, %v", report, err)
	}
	seen := map[string]bool{}
	for _, r := range all(t, trail) {
		if seen[r.Object] {
			t.Errorf("%s is there twice", r.Object)
		}
		seen[r.Object] = true
	}
}

func TestDo(t *testing.T) {
	trail, _ := newTrail(t)
	problem := vocab.Problems{vocab.NewProblem("", "space.unknown", "没有", "unknown")}
	cases := []struct {
		err     error
		outcome Outcome
		code    string
	}{{nil, Done, ""}, {problem, Refused, "space.unknown"}, {errors.New("disk"), Failed, "internal"}}
	for _, tc := range cases {
		err := trail.Do(t.Context(), Record{Who: "did:key:a", Act: "space.admit"}, func(context.Context) (string, error) {
			list := all(t, trail)
			if list[len(list)-1].Outcome != Begun {
				t.Error("the act is done before it is recorded")
			}
			return "entry 7", tc.err
		})
		if !errors.Is(err, tc.err) && fmt.Sprint(err) != fmt.Sprint(tc.err) {
			t.Errorf("got %v, want %v", err, tc.err)
		}
		list := all(t, trail)
		last := list[len(list)-1]
		if last.Outcome != tc.outcome || last.Code != tc.code || last.Of != last.Sequence-1 || !strings.Contains(last.Detail, "entry 7") {
			t.Errorf("%+v", last)
		}
	}
	if report, err := trail.Verify(t.Context()); err != nil || len(report.Unfinished) != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	// Whoever asked hangs up meanwhile.
	ctx, cancel := context.WithCancel(t.Context())
	if err := trail.Do(ctx, Record{Act: "space.suspend"}, func(context.Context) (string, error) { cancel(); return "", nil }); err != nil {
		t.Error(err)
	}
	func() { // the process is killed in the middle
		defer func() { _ = recover() }()
		_ = trail.Do(t.Context(), Record{Act: "space.resume"}, func(context.Context) (string, error) { panic("killed") })
	}()
	report, err := trail.Verify(t.Context())
	if err != nil || len(report.Unfinished) != 1 || report.Unfinished[0] != 9 || report.Records != 9 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestNothingIsDoneUnrecorded(t *testing.T) {
	trail, _ := newTrail(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := trail.Do(ctx, Record{Act: "space.admit"}, func(context.Context) (string, error) {
		t.Error("done without a record")
		return "", nil
	})
	wantCode(t, err, "audit.unavailable")
	wantCode(t, trail.Put(ctx, Record{Act: "x", Outcome: Done}), "audit.unavailable")
	if list := all(t, trail); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	put(t, trail, Record{Act: "after", Outcome: Done}) // and it goes on
}

func TestStoreThatIsGone(t *testing.T) {
	b, c := newBus(t), &clock{t: start}
	var failed error
	trail := open(t, b, Config{Now: c.now, Failed: func(err error) { failed = err }})
	put(t, trail, Record{Act: "x", Outcome: Done})
	if err := b.JetStream.DeleteStream(t.Context(), bus.AuditStream); err != nil {
		t.Fatal(err)
	}
	wantCode(t, trail.Put(t.Context(), Record{Act: "y", Outcome: Done}), "audit.unavailable")
	if failed == nil {
		t.Error("nobody heard of it")
	}
}

func TestTextsAreBoundedAndClean(t *testing.T) {
	trail, _ := newTrail(t)
	key := identitytest.Key(t)
	secret, err := identity.NewToken(key, "did:key:z6Mkhub", start, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("长", 5000)
	put(t, trail, Record{
		Who: long, Role: long, Via: long, From: long, Act: long, Object: "a\r\nSet-Cookie: x\x00\x1b[31m\u202e", Outcome: Done,
		Code: "\xff\xfe", Detail: "Authorization: Bearer " + secret + " " + long,
	})
	r := all(t, trail)[0]
	for name, f := range map[string]struct {
		text string
		max  int
	}{"who": {r.Who, 256}, "role": {r.Role, 64}, "act": {r.Act, 64}, "from": {r.From, 64}, "via": {r.Via, 64}, "detail": {r.Detail, 1024}, "object": {r.Object, 512}} {
		if len(f.text) > f.max || f.text == "" {
			t.Errorf("%s has %d bytes", name, len(f.text))
		}
		if strings.ContainsAny(f.text, "\r\n\x00\x1b\u202e") {
			t.Errorf("%s: %q", name, f.text)
		}
	}
	if strings.Contains(r.Detail, secret[:40]) || !strings.Contains(r.Detail, "[token]") {
		t.Errorf("a token is in the trail: %s", r.Detail)
	}
	if _, err := trail.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestListAndFilter(t *testing.T) {
	trail, c := newTrail(t)
	for i := range 1200 {
		c.move(time.Second)
		r := Record{Who: fmt.Sprintf("did:key:%d", i%3), Act: "space.admit", Outcome: Done}
		switch {
		case i%10 == 0:
			r.Act, r.Outcome = "spaceship", Refused
		case i%2 == 0:
			r.Act = "space"
		}
		put(t, trail, r)
	}
	at := func(i int) time.Time { return start.Add(time.Duration(i) * time.Second) } // of record i
	cases := map[string]struct {
		before uint64
		limit  int
		f      Filter
		want   []uint64 // first ones
		n      int
		next   uint64
	}{
		"newest":         {0, 3, Filter{}, []uint64{1200, 1199, 1198}, 3, 1198},
		"before":         {4, 3, Filter{}, []uint64{3, 2, 1}, 3, 0},
		"before the end": {9999, 1, Filter{}, []uint64{1200}, 1, 1200},
		"too many":       {0, 5000, Filter{}, []uint64{1200}, MaxList, 1001},
		"who":            {0, 2, Filter{Who: "did:key:0"}, []uint64{1198, 1195}, 2, 1195},
		"outcome":        {0, 200, Filter{Outcome: Refused}, []uint64{1191, 1181}, 120, 0},
		"act and below":  {0, 3, Filter{Act: "space"}, []uint64{1200, 1199, 1198}, 3, 1198},
		"act itself":     {0, 2, Filter{Act: "space.admit", Who: "did:key:2"}, []uint64{1200, 1194}, 2, 1194},
		"since":          {0, 200, Filter{Since: at(1199)}, []uint64{1200, 1199}, 2, 0},
		"until":          {0, 200, Filter{Until: at(3)}, []uint64{2, 1}, 2, 0},
		"between":        {0, 200, Filter{Since: at(600), Until: at(602)}, []uint64{601, 600}, 2, 0},
		"none":           {0, 10, Filter{Who: "nobody"}, nil, 0, 0},
		"no time":        {0, 10, Filter{Since: at(5), Until: at(4)}, nil, 0, 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			items, next, err := trail.List(t.Context(), tc.before, tc.limit, tc.f)
			if err != nil || len(items) != tc.n || next != tc.next {
				t.Fatalf("%d items, next %d, %v", len(items), next, err)
			}
			for i, want := range tc.want {
				if items[i].Sequence != want {
					t.Errorf("item %d is record %d, want %d", i, items[i].Sequence, want)
				}
			}
		})
	}
}

func TestOldRecordsGoneAreNoFault(t *testing.T) {
	b, c := newBus(t), &clock{t: start}
	trail := open(t, b, Config{Now: c.now})
	for range 5 {
		put(t, trail, Record{Act: "old", Outcome: Done})
	}
	// What age does after half a year: a limit that the server itself enforces.
	s, err := b.JetStream.Stream(t.Context(), bus.AuditStream)
	if err != nil {
		t.Fatal(err)
	}
	for _, keep := range []time.Duration{100 * time.Millisecond, bus.MinAuditAge} {
		cfg := s.CachedInfo().Config
		cfg.MaxAge = keep
		cfg.Duplicates = 100 * time.Millisecond
		if _, err := b.JetStream.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		if keep > time.Second {
			break
		}
		for i := 0; ; i++ {
			info, err := s.Info(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if info.State.Msgs == 0 {
				break
			}
			if i > 1000 {
				t.Fatal("records do not age")
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	if report, err := trail.Verify(t.Context()); err != nil || report.Records != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	put(t, trail, Record{Act: "new", Outcome: Done})
	again := open(t, b, Config{Now: c.now})
	put(t, again, Record{Act: "newer", Outcome: Done})
	report, err := again.Verify(t.Context())
	if err != nil || report.Before != 5 || report.First != 6 || report.Records != 2 {
		t.Errorf("%+v, %v", report, err)
	}
	if items, next, err := again.List(t.Context(), 3, 10, Filter{}); err != nil || len(items) != 0 || next != 0 {
		t.Errorf("%+v %d %v", items, next, err)
	}
}

func TestNoTrailWithoutItsStream(t *testing.T) {
	b := newBus(t)
	if err := b.JetStream.DeleteStream(t.Context(), bus.AuditStream); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), b.JetStream, Config{Now: time.Now}); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := Open(t.Context(), b.JetStream, Config{}); err == nil {
		t.Error("opened without a clock")
	}
}
