package bus

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// streams declares every stream. No compression: with it and three replicas a
// killed node did not recover (docs/decisions).
func streams(replicas int, auditAge time.Duration) []jetstream.StreamConfig {
	return []jetstream.StreamConfig{
		logStream(LogStream, LogSubjects, "the hub's log: one message an entry, for ever", replicas),
		{
			Name:        QuarantineStream,
			Description: "refused submissions with their reasons",
			Subjects:    []string{QuarantinePrefix + "*"},
			Storage:     jetstream.FileStorage,
			Retention:   jetstream.LimitsPolicy,
			Discard:     jetstream.DiscardOld,
			MaxAge:      30 * 24 * time.Hour,
			MaxMsgs:     20_000, MaxBytes: 512 << 20, MaxMsgsPerSubject: -1, MaxMsgSize: -1, MaxConsumers: -1,
			Replicas:    replicas,
			Duplicates:  time.Second,
			AllowDirect: true,
		},
		{
			Name:        AuditStream,
			Description: "administrative acts and refusals, each chained to the one before",
			Subjects:    []string{AuditPrefix + "*"},
			Storage:     jetstream.FileStorage,
			Retention:   jetstream.LimitsPolicy,
			// Age alone takes records away: a full store refuses a new one, and with
			// it the act that was to be recorded.
			Discard: jetstream.DiscardNew,
			MaxAge:  auditAge,
			MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1, MaxMsgSize: -1, MaxConsumers: -1,
			Replicas:    replicas,
			Duplicates:  time.Second,
			DenyPurge:   true,
			DenyDelete:  true,
			AllowDirect: true,
		},
		{
			Name:        LateStream,
			Description: "bodies of mirrored entries that came after their entry",
			Subjects:    []string{LatePrefix + "*.*"},
			Storage:     jetstream.FileStorage,
			Retention:   jetstream.LimitsPolicy,
			Discard:     jetstream.DiscardNew,
			MaxMsgs:     -1, MaxBytes: -1, MaxMsgsPerSubject: 1, MaxMsgSize: -1, MaxConsumers: -1,
			Replicas:    replicas,
			Duplicates:  time.Second,
			AllowDirect: true,
		},
	}
}

// logStream declares a stream that holds a log: the hub's own, or a mirror.
func logStream(name, subjects, description string, replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        name,
		Description: description,
		Subjects:    []string{subjects + "*"},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardNew,
		MaxMsgs:     -1, MaxBytes: -1, MaxMsgsPerSubject: -1, MaxMsgSize: -1, MaxConsumers: -1,
		Replicas:           replicas,
		Duplicates:         time.Second, // no message ids are used: duplicates are judged by the log
		DenyPurge:          true,        // redaction deletes single messages; nothing deletes many
		AllowDirect:        true,
		AllowAtomicPublish: true,
	}
}

// buckets declares every bucket. None of them forgets by itself.
func buckets(replicas int) []jetstream.KeyValueConfig {
	return []jetstream.KeyValueConfig{
		{
			Bucket:      StateBucket,
			Description: "small state: the last signed checkpoint, and the last accepted ones",
			History:     5,
			Storage:     jetstream.FileStorage,
			Replicas:    replicas,
		},
		{
			Bucket:      AdmissionBucket,
			Description: "invitations, descriptors that wait, proposals",
			History:     1, // what was refused leaves nothing behind
			Storage:     jetstream.FileStorage,
			Replicas:    replicas,
		},
		{
			Bucket:      PeersBucket,
			Description: "other hubs: on what terms logs are exchanged, and how far each mirror is",
			History:     1,
			Storage:     jetstream.FileStorage,
			Replicas:    replicas,
		},
	}
}

// property is one thing that a declaration says about a stream.
type property struct {
	name  string
	fixed bool // differing means another stream than ours: never updated
	of    func(*jetstream.StreamConfig) any
}

var properties = []property{
	{"subjects", false, func(c *jetstream.StreamConfig) any { return c.Subjects }},
	{"storage", true, func(c *jetstream.StreamConfig) any { return c.Storage }},
	{"retention", true, func(c *jetstream.StreamConfig) any { return c.Retention }},
	{"compression", true, func(c *jetstream.StreamConfig) any { return c.Compression }},
	{"max_consumers", true, func(c *jetstream.StreamConfig) any { return c.MaxConsumers }},
	{"sealed", true, func(c *jetstream.StreamConfig) any { return c.Sealed }},
	{"deny_delete", true, func(c *jetstream.StreamConfig) any { return c.DenyDelete }},
	{"no_ack", true, func(c *jetstream.StreamConfig) any { return c.NoAck }},
	{"mirror", true, func(c *jetstream.StreamConfig) any { return c.Mirror != nil }},
	{"sources", true, func(c *jetstream.StreamConfig) any { return len(c.Sources) }},
	{"subject_transform", true, func(c *jetstream.StreamConfig) any { return c.SubjectTransform != nil }},
	{"republish", true, func(c *jetstream.StreamConfig) any { return c.RePublish != nil }},
	{"allow_rollup_hdrs", true, func(c *jetstream.StreamConfig) any { return c.AllowRollup }},
	{"persist_mode", true, func(c *jetstream.StreamConfig) any { return c.PersistMode }},
	{"deny_purge", false, func(c *jetstream.StreamConfig) any { return c.DenyPurge }},
	{"discard", false, func(c *jetstream.StreamConfig) any { return c.Discard }},
	{"max_msgs", false, func(c *jetstream.StreamConfig) any { return c.MaxMsgs }},
	{"max_bytes", false, func(c *jetstream.StreamConfig) any { return c.MaxBytes }},
	{"max_age", false, func(c *jetstream.StreamConfig) any { return c.MaxAge }},
	{"max_msgs_per_subject", false, func(c *jetstream.StreamConfig) any { return c.MaxMsgsPerSubject }},
	{"max_msg_size", false, func(c *jetstream.StreamConfig) any { return c.MaxMsgSize }},
	{"num_replicas", false, func(c *jetstream.StreamConfig) any { return c.Replicas }},
	{"duplicate_window", false, func(c *jetstream.StreamConfig) any { return c.Duplicates }},
	{"allow_direct", false, func(c *jetstream.StreamConfig) any { return c.AllowDirect }},
	{"allow_msg_ttl", true, func(c *jetstream.StreamConfig) any { return c.AllowMsgTTL }},
	{"allow_atomic", false, func(c *jetstream.StreamConfig) any { return c.AllowAtomicPublish }},
}

// differences names the properties in which have departs from want.
func differences(have, want *jetstream.StreamConfig) (fixed, open []string) {
	for _, p := range properties {
		h, w := p.of(have), p.of(want)
		if reflect.DeepEqual(h, w) {
			continue
		}
		s := fmt.Sprintf("%s is %v instead of %v", p.name, h, w)
		if p.fixed {
			fixed = append(fixed, s)
		} else {
			open = append(open, s)
		}
	}
	return fixed, open
}

// declare brings every stream and bucket to their declared form.
// Nothing is ever deleted or made anew to get there.
func (b *Bus) declare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*readyTimeout)
	defer cancel()
	for _, want := range streams(b.c.Replicas, b.c.AuditAge) {
		if err := declare(ctx, b.JetStream, want); err != nil {
			return err
		}
	}
	kept := []*jetstream.KeyValue{&b.state, &b.admission, &b.peers}
	for i, want := range buckets(b.c.Replicas) {
		var err error
		if *kept[i], err = declareBucket(ctx, b.JetStream, want); err != nil {
			return fmt.Errorf("bucket %s: %w", want.Bucket, err)
		}
	}
	return nil
}

func declare(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) error {
	s, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = js.CreateStream(ctx, want)
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", want.Name, err)
	}
	have := s.CachedInfo().Config
	if want.Name == AuditStream {
		// Records that were promised a longer life keep it.
		want.MaxAge = max(want.MaxAge, have.MaxAge)
	}
	fixed, open := differences(&have, &want)
	if len(fixed) == 0 && len(open) == 0 {
		return nil
	}
	if len(fixed) == 0 {
		if s, err = js.UpdateStream(ctx, want); err == nil {
			have = s.CachedInfo().Config
			if fixed, open = differences(&have, &want); len(fixed)+len(open) == 0 {
				return nil
			}
		}
	}
	msg := fmt.Sprintf("stream %s is not as the hub needs it and cannot be changed in place: %s; the hub does not touch it: restore it or start with another store",
		want.Name, strings.Join(append(fixed, open...), ", "))
	if err != nil {
		return fmt.Errorf("%s: %w", msg, err)
	}
	return errors.New(msg)
}

func declareBucket(ctx context.Context, js jetstream.JetStream, want jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	kv, err := js.KeyValue(ctx, want.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return js.CreateKeyValue(ctx, want)
	}
	if err != nil {
		return nil, err
	}
	st, err := kv.Status(ctx)
	if err != nil {
		return nil, err
	}
	have := st.Config()
	switch {
	case have.Storage != want.Storage:
		return nil, fmt.Errorf("storage is %v instead of %v; the hub does not touch it", have.Storage, want.Storage)
	case have.TTL != 0:
		return nil, fmt.Errorf("entries expire after %v; the hub does not touch it", have.TTL)
	case have.History == want.History && have.Replicas == want.Replicas:
		return kv, nil
	}
	return js.UpdateKeyValue(ctx, want)
}

// Conflict reports whether a write was refused because the key or the stream that
// it was to change had been changed meanwhile, or a replica did not show it yet.
func Conflict(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
