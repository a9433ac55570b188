package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"lianmu/federation/identity"
	"lianmu/federation/judge"
	"lianmu/federation/ledger"
	"lianmu/federation/registry"
	"lianmu/hub/bus"
	"lianmu/hub/view"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// base is the part of a hub that also works offline: keys, bus, log, registry
// and catalogue, without anybody being served.
type base struct {
	lock      *os.File
	did       string
	hubKey    *identity.Key
	bus       *bus.Bus
	log       *ledger.Log
	epoch     int // of log
	registry  *registry.Registry
	union     *registry.Union // over registry and those of mirrored logs
	states    logStates
	processor *jsonld.Processor
	reader    *shape.Reader
	catalog   *view.Catalog
	damage    damage
	openUntil uint64 // see openUntil
}

// openBase opens everything in order; listen is the embedded server's address.
func openBase(ctx context.Context, c Config, listen string) (_ *base, err error) {
	b := &base{damage: damage{log: c.Logger}}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close(ctx))
		}
	}()
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	if b.lock, err = lockDir(c.Dir); err != nil {
		return nil, err
	}
	if b.hubKey, err = ensureKey(filepath.Join(c.Dir, "hub.key")); err != nil {
		return nil, err
	}
	b.did = b.hubKey.DID()
	if b.epoch, err = readEpoch(c.Dir); err != nil {
		return nil, err
	}
	logKey, err := ensureKey(filepath.Join(c.Dir, "log.key"))
	if err != nil {
		return nil, err
	}
	if b.reader, err = shape.NewReader(); err != nil {
		return nil, err
	}
	b.processor = jsonld.New(c.Limits)
	callout, err := c.callout(listen)
	if err != nil {
		return nil, err
	}
	b.bus, err = bus.Start(ctx, bus.Config{
		Dir: filepath.Join(c.Dir, "jetstream"), Listen: listen, URL: c.NATSURL, Logger: c.Logger,
		HubDID: b.did, TLS: c.tls, Callout: callout, Now: c.Now, AuditAge: c.AuditAge,
	})
	if err != nil {
		return nil, err
	}
	b.log, err = ledger.Open(ctx, ledger.Config{
		JetStream: b.bus.JetStream, Stream: bus.LogStream, State: b.bus.State(), Dir: filepath.Join(c.Dir, "log"),
		Origin: vocab.LogOrigin(b.did, uint64(b.epoch)), Seed: logKey.Seed(), Now: c.Now, Logger: c.Logger,
		Ready: b.bus.Healthy, Failed: b.bus.Report, Damaged: b.damage.report,
	})
	if err != nil {
		return nil, err
	}
	if b.openUntil, err = openUntil(ctx, b.bus.State(), c.Open, listen == "", b.log.Size()); err != nil {
		return nil, fmt.Errorf("whether the hub was open: %w", err)
	}
	c.Open = b.openUntil == always // offline nobody says so
	b.registry = registry.New()
	b.registry.SetOrigin(b.log.Origin())
	b.registry.Hub(b.did)
	b.registry.OpenUntil(b.openUntil)
	if err := judge.Fold(ctx, b.log, b.registry, b.processor, b.reader); err != nil {
		return nil, fmt.Errorf("folding the log: %w", err)
	}
	b.union = registry.NewUnion(b.registry)
	b.catalog, err = view.Open(ctx, view.Config{
		Dir: filepath.Join(c.Dir, "index"), Log: b.log, Registry: b.registry, Union: b.union, Processor: b.processor, Reader: b.reader,
		Fallback: c.fallback(), Every: c.IndexEvery, States: b.states.states, StaleAfter: c.Peering.StaleAfter, Now: c.Now, Logger: c.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return b, nil
}

func (b *base) close(ctx context.Context) error {
	var errs []error
	if b.catalog != nil {
		errs = append(errs, b.catalog.Close())
	}
	if b.log != nil {
		errs = append(errs, b.log.Close(ctx))
	}
	if b.bus != nil {
		errs = append(errs, b.bus.Stop(ctx))
	}
	if b.lock != nil {
		errs = append(errs, b.lock.Close())
	}
	return errors.Join(errs...)
}

// ensureKey reads a key file, or makes one where there is none.
func ensureKey(path string) (*identity.Key, error) {
	k, err := identity.ReadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if k, err = identity.NewKey("ed25519"); err != nil {
		return nil, err
	}
	return k, k.Write(path)
}

// lockDir makes sure that one process works in dir.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is in use by another hub", dir), f.Close())
	}
	return f, nil
}
