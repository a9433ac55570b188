package bus

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// maxOrigin is the longest name of a log, in bytes.
const maxOrigin = 200

// MirrorID names the mirror of a log: the first 16 hex digits of SHA-256(origin).
func MirrorID(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return hex.EncodeToString(sum[:8])
}

// MirrorStream declares the stream that holds the mirror of a log and returns
// its name; the subjects are MirrorPrefix + MirrorID(origin) + "." + kind. It has
// every property of the hub's own log stream. Repeating is harmless. A stream
// that cannot be brought to that form, or that mirrors another log of which the
// name has the same MirrorID, is an error, and is not touched.
func (b *Bus) MirrorStream(ctx context.Context, origin string) (name string, err error) {
	if origin == "" || len(origin) > maxOrigin {
		return "", fmt.Errorf("the name of a log has 1 to %d bytes, not %d", maxOrigin, len(origin))
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	id := MirrorID(origin)
	want := logStream(MirrorStreams+id, MirrorPrefix+id+".", "mirror of "+origin, b.c.Replicas)
	s, err := b.JetStream.Stream(ctx, want.Name)
	switch {
	case err == nil:
		if have := s.CachedInfo().Config.Description; have != want.Description {
			return "", fmt.Errorf("stream %s is the %s, not the %s; drop that mirror first", want.Name, have, want.Description)
		}
	case !errors.Is(err, jetstream.ErrStreamNotFound):
		return "", fmt.Errorf("stream %s: %w", want.Name, err)
	}
	return want.Name, declare(ctx, b.JetStream, want)
}

// DropMirror deletes all bodies of a mirror: its stream, and what came late.
// The mirror must not be open. Repeating is harmless. What the hub remembers of
// the log's checkpoints stays: see ledger.ForgetMirror.
func (b *Bus) DropMirror(ctx context.Context, origin string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	id := MirrorID(origin)
	if err := b.JetStream.DeleteStream(ctx, MirrorStreams+id); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("stream %s%s: %w", MirrorStreams, id, err)
	}
	late, err := b.JetStream.Stream(ctx, LateStream)
	if err == nil {
		err = late.Purge(ctx, jetstream.WithPurgeSubject(LatePrefix+id+".*"))
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", LateStream, err)
	}
	return nil
}
