package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lianmu/federation/identity"
	"lianmu/federation/ledger"
	"lianmu/hub/bus"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// epochBegun is the file that stands in Dir while an epoch is being begun, with
// its number. A hub does not start beside it; NewEpoch goes on from it.
const epochBegun = "epoch.begun"

// ErrNothingSigned: the log has no checkpoint that could be given up.
var ErrNothingSigned = errors.New("nothing was ever signed here, so there is no epoch to leave; start the hub as it is")

// NewEpoch gives up what was signed of the log of the hub in c.Dir, which must
// not be running, and lets it go on from what its stream holds now under a new
// origin and a new log.key (the former one stays as log.key.<epoch>). It
// returns the last checkpoint of the former epoch and the new origin. The first
// entry of the new epoch, signed by hub.key, cites that checkpoint:
//
//	{"@context":"https://w3id.org/lianmu/v1","@type":"Epoch",
//	 "@id":"urn:lianmu:log:<hub>:<epoch>","formerCheckpoint":"<signed note>"}
//
// Every step can be repeated: after a crash or an error in between, the hub
// does not start, and NewEpoch called again completes it. The old key is out of
// the way before the checkpoint is, so nothing is ever signed twice under it.
func NewEpoch(ctx context.Context, c Config) (previous []byte, newOrigin string, err error) {
	if err := c.defaults(); err != nil {
		return nil, "", err
	}
	previous, epoch, err := leaveEpoch(ctx, c)
	if err != nil {
		return nil, "", err
	}
	// The index names the former origin; it is built anew from the log.
	if err := os.RemoveAll(filepath.Join(c.Dir, "index")); err != nil {
		return nil, "", err
	}
	b, err := openBase(ctx, c, "")
	if err != nil {
		return nil, "", err
	}
	err = b.citeEpoch(ctx, epoch, previous, c.Now())
	newOrigin = b.log.Origin()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := errors.Join(err, b.close(closing)); err != nil {
		return nil, "", err
	}
	return previous, newOrigin, os.Remove(filepath.Join(c.Dir, epochBegun))
}

// leaveEpoch puts key and number of the next epoch in place and then takes the
// last checkpoint away.
func leaveEpoch(ctx context.Context, c Config) (previous []byte, epoch int, err error) {
	hubKey, err := identity.ReadKey(filepath.Join(c.Dir, "hub.key"))
	if err != nil {
		return nil, 0, fmt.Errorf("%s does not look like a hub's folder: %w", c.Dir, err)
	}
	lock, err := lockDir(c.Dir)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	b, err := bus.Start(ctx, bus.Config{Dir: filepath.Join(c.Dir, "jetstream"), URL: c.NATSURL, Logger: c.Logger})
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, b.Stop(closing))
	}()
	logDir := filepath.Join(c.Dir, "log")
	signed, err := ledger.SignedOrigin(ctx, logDir, b.State())
	if err != nil {
		return nil, 0, err
	}
	if epoch, err = beginEpoch(c.Dir, signed != ""); err != nil {
		return nil, 0, err
	}
	if err := replaceLogKey(c.Dir, epoch); err != nil {
		return nil, 0, err
	}
	if err := writeNumber(filepath.Join(c.Dir, "epoch"), epoch); err != nil {
		return nil, 0, err
	}
	if signed != vocab.LogOrigin(hubKey.DID(), uint64(epoch)) { // else this was done before an interruption
		if _, err := ledger.StartEpoch(ctx, logDir, b.State()); err != nil {
			return nil, 0, err
		}
	}
	previous, err = ledger.Archived(logDir)
	return previous, epoch, err
}

// beginEpoch notes that the next epoch is being begun, or finds that it was.
func beginEpoch(dir string, signed bool) (epoch int, err error) {
	note := filepath.Join(dir, epochBegun)
	if epoch, err = readNumber(note, 0, 1); err != nil || epoch > 0 {
		return epoch, err
	}
	if !signed {
		return 0, ErrNothingSigned
	}
	if epoch, err = readEpoch(dir); err != nil {
		return 0, err
	}
	return epoch + 1, writeNumber(note, epoch+1)
}

// replaceLogKey moves log.key of the epoch before aside and makes a new one.
func replaceLogKey(dir string, epoch int) error {
	key := filepath.Join(dir, "log.key")
	former := fmt.Sprintf("%s.%d", key, epoch-1)
	if _, err := os.Stat(former); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(key, former); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	_, err := ensureKey(key)
	return errors.Join(err, syncDir(dir))
}

// citeEpoch appends the entry that begins the epoch, unless it is there.
func (b *base) citeEpoch(ctx context.Context, epoch int, previous []byte, now time.Time) error {
	id := fmt.Sprintf("urn:lianmu:log:%s:%d", bus.SpaceToken(b.did), epoch)
	for rec, err := range b.log.Facts(ctx, 0, b.log.Size()) {
		if err != nil {
			return err
		}
		if rec.Leaf.Kind == vocab.KindEpoch && rec.Fact.ID == id {
			return nil
		}
	}
	doc, err := json.Marshal(struct {
		Context string `json:"@context"`
		Type    string `json:"@type"`
		ID      string `json:"@id"`
		Former  string `json:"formerCheckpoint"`
	}{"https://w3id.org/lianmu/v1", "Epoch", id, string(previous)})
	if err != nil {
		return err
	}
	raw, err := identity.Sign(doc, b.hubKey, identity.SignOptions{Created: now})
	if err != nil {
		return err
	}
	fact, err := factOf(ctx, b.processor, b.reader, raw, now)
	if err != nil {
		return err
	}
	_, err = b.log.Append(ctx, b.log.Size(), []ledger.Entry{{Document: raw, Fact: fact}})
	return err
}

// factOf reads a document of the hub's own as everybody will who verifies it.
func factOf(ctx context.Context, p *jsonld.Processor, rd *shape.Reader, raw []byte, now time.Time) (vocab.Fact, error) {
	d, err := p.Decode(raw)
	if err != nil {
		return vocab.Fact{}, err
	}
	sec, err := identity.Verify(d, now)
	if err != nil {
		return vocab.Fact{}, err
	}
	g, err := p.Expand(ctx, d)
	if err != nil {
		return vocab.Fact{}, err
	}
	r, err := rd.Read(g, now)
	if err != nil {
		return vocab.Fact{}, err
	}
	return vocab.Fact{
		Kind: r.Kind, Space: sec.Space, ID: r.ID, Digest: sec.Digest, Content: sec.Content,
		Created: sec.Created, Expires: sec.Expires,
	}, nil
}

// checkEpoch refuses a folder in which an epoch was begun and not completed.
func checkEpoch(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, epochBegun)); err == nil {
		return errors.New("a new epoch of the log was begun and not completed: run lianmu log epoch again (新账本纪元尚未建完，请再次执行 lianmu log epoch)")
	}
	return nil
}

// readEpoch returns the number of the log's epoch, 1 where none was ever begun
// after the first.
func readEpoch(dir string) (int, error) { return readNumber(filepath.Join(dir, "epoch"), 1, 1) }

// readNumber reads a file with a number from least on; none where there is no file.
func readNumber(path string, none, least int) (int, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	if err != nil || n < least {
		return 0, fmt.Errorf("%s does not hold a number: %q", path, strings.ToValidUTF8(string(text[:min(len(text), 40)]), "?"))
	}
	return n, nil
}

// writeNumber replaces a number's file durably.
func writeNumber(path string, n int) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, n)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
