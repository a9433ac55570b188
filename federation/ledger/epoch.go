package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

const checkpointFile = "checkpoint"

// StartEpoch gives up what was signed, so that the log goes on under a new
// origin and key. The log must not be open. The last checkpoint is archived as
// epoch-<n>.checkpoint in dir and as epoch.<n> in the bucket, then removed from
// both; it is returned, so that the caller can cite it in an entry of kind
// vocab.KindEpoch, the first that it appends after opening the log anew. Nil
// and no error: nothing was ever signed.
//
// Whoever trusted the former key sees that log end; nothing is hidden from
// them, and nothing under the new key vouches for it.
func StartEpoch(ctx context.Context, dir string, state jetstream.KeyValue) (previous []byte, err error) {
	folder, err := readCheckpointFile(dir)
	if err != nil {
		return nil, err
	}
	kept := [][]byte{folder}
	var revisions [2]uint64
	keys := [2]string{stateKey, witnessedKey}
	for i, key := range keys {
		e, err := state.Get(ctx, key)
		if err == nil {
			kept, revisions[i] = append(kept, e.Value()), e.Revision()
		} else if !errors.Is(err, jetstream.ErrKeyNotFound) {
			return nil, fmt.Errorf("%w (the last checkpoint: %w)", ErrUnavailable, err)
		}
	}
	// All are archived where they differ, the one over most entries last: after
	// an older store was restored that is the folder's, or a witnessed one.
	slices.SortStableFunc(kept, func(a, b []byte) int { return cmp.Compare(claimedSize(a), claimedSize(b)) })
	for _, raw := range kept {
		if raw == nil || string(raw) == string(previous) {
			continue
		}
		previous = raw
		if err := archive(ctx, dir, state, raw); err != nil {
			return nil, err
		}
	}
	if previous == nil {
		return nil, nil
	}
	if err := os.Remove(filepath.Join(dir, checkpointFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for i, key := range keys {
		if revisions[i] == 0 {
			continue
		}
		if err := state.Delete(ctx, key, jetstream.LastRevision(revisions[i])); err != nil {
			return nil, err
		}
	}
	return previous, syncDir(dir)
}

// claimedSize is the size in a checkpoint's text, unverified; -1 without one.
func claimedSize(raw []byte) int64 {
	lines := strings.SplitN(string(raw), "\n", 3)
	if len(lines) < 3 {
		return -1
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return -1
	}
	return size
}

// SignedOrigin returns the origin of the last signed checkpoint, as it stands in
// state and dir; "" where nothing was ever signed. The log must not be open.
func SignedOrigin(ctx context.Context, dir string, state jetstream.KeyValue) (string, error) {
	raw, err := readCheckpointFile(dir)
	if err != nil {
		return "", err
	}
	e, err := state.Get(ctx, stateKey)
	switch {
	case err == nil:
		raw = e.Value() // written first, taken away last
	case !errors.Is(err, jetstream.ErrKeyNotFound):
		return "", fmt.Errorf("%w (the last checkpoint: %w)", ErrUnavailable, err)
	}
	origin, _, _ := strings.Cut(string(raw), "\n")
	if raw != nil && origin == "" {
		return "unreadable", nil // something was signed, though its text is lost
	}
	return origin, nil
}

// Archived returns the checkpoint that StartEpoch archived last in dir, or
// fs.ErrNotExist.
func Archived(dir string) ([]byte, error) {
	last, err := []byte(nil), error(fs.ErrNotExist)
	for n := 1; ; n++ {
		raw, rerr := os.ReadFile(filepath.Join(dir, fmt.Sprintf("epoch-%d.checkpoint", n)))
		if errors.Is(rerr, fs.ErrNotExist) {
			return last, err
		}
		last, err = raw, rerr
	}
}

func archive(ctx context.Context, dir string, state jetstream.KeyValue, raw []byte) error {
	for n := 1; ; n++ {
		f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("epoch-%d.checkpoint", n)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		_, werr := f.Write(raw)
		if err := errors.Join(werr, f.Sync(), f.Close(), syncDir(dir)); err != nil {
			return err
		}
		_, err = state.Put(ctx, fmt.Sprintf("epoch.%d", n), raw)
		return err
	}
}

func readCheckpointFile(dir string) ([]byte, error) {
	raw, err := os.ReadFile(filepath.Join(dir, checkpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && len(raw) == 0 {
		raw = []byte("\n") // an empty file is a damaged checkpoint, not none
	}
	return raw, err
}

// writeCheckpointFile replaces the file durably: a reader sees the old one or
// the new one, also after a power cut.
func writeCheckpointFile(dir string, raw []byte) error {
	tmp := filepath.Join(dir, checkpointFile+".new")
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, werr := f.Write(raw)
	if err := errors.Join(werr, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(dir, checkpointFile)); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
