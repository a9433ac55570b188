package bus

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

// Healthy returns nil, or why JetStream takes no writes, as last looked at (at
// most Config.Poll ago); a full disk wraps syscall.ENOSPC. It is cheap enough to ask before every write.
func (b *Bus) Healthy() error {
	if p := b.ill.Load(); p != nil {
		return *p
	}
	if p := b.report.Load(); p != nil {
		return *p
	}
	return nil
}

// Report tells the bus that JetStream failed or did not confirm a write. An
// embedded server does not heal by itself once its disk was full: it is
// restarted when there is room. Nil is ignored.
func (b *Bus) Report(err error) {
	if err == nil || b.embedded == nil {
		return
	}
	err = fmt.Errorf("the store failed a write and will be restarted: %w", err)
	b.report.CompareAndSwap(nil, &err)
}

// look sets ill from the connection, the server and the disk.
func (b *Bus) look() {
	err := b.symptom()
	was := b.ill.Load()
	if err == nil {
		if was != nil {
			b.log.Info("JetStream takes writes again")
		}
		b.ill.Store(nil)
		return
	}
	if was == nil {
		b.log.Error("JetStream takes no writes", "error", err)
	}
	b.ill.Store(&err)
}

func (b *Bus) symptom() error {
	if s := b.Conn.Status(); s != nats.CONNECTED {
		return fmt.Errorf("the NATS connection is %s", s)
	}
	if b.embedded == nil {
		return nil
	}
	if !b.restarting.TryLock() {
		return errors.New("the embedded NATS server is being restarted")
	}
	b.restarting.Unlock()
	if srv := b.embedded.server(); srv == nil || !srv.JetStreamEnabled() {
		err := errors.New("the embedded server has switched JetStream off")
		b.Report(err)
		return err
	}
	free, err := freeSpace(b.c.Dir)
	if err != nil {
		return fmt.Errorf("cannot see how much room is left in %s: %w", b.c.Dir, err)
	}
	if free < b.c.Reserve {
		return fmt.Errorf("the disk of %s is full: %d MB free, %d MB needed; make room, the hub goes on by itself (%w)", b.c.Dir, free>>20, b.c.Reserve>>20, syscall.ENOSPC)
	}
	return nil
}

// watch looks at server and disk, and restarts an embedded server that failed a
// write as soon as there is room.
func (b *Bus) watch(ctx context.Context) {
	tick := time.NewTicker(b.c.Poll)
	defer tick.Stop()
	pause := b.c.Poll
	var next time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		b.look()
		if b.report.Load() == nil {
			pause = b.c.Poll
			continue
		}
		if free, err := freeSpace(b.c.Dir); err != nil || free < b.c.Reserve || time.Now().Before(next) {
			continue
		}
		rctx, cancel := context.WithTimeout(ctx, maxRestartPause)
		err := b.Restart(rctx)
		cancel()
		if err != nil && ctx.Err() == nil {
			b.log.Error("cannot restart the embedded NATS server", "error", err)
		}
		// Also after a success: a write that fails again at once must not
		// restart the server in a tight loop.
		next = time.Now().Add(pause)
		pause = min(2*pause, maxRestartPause)
		b.look()
	}
}

// Restart stops and starts the embedded server in place; Conn and JetStream
// stay usable and reconnect. Acknowledged messages are all there afterwards.
func (b *Bus) Restart(ctx context.Context) error {
	if b.embedded == nil {
		return errors.New("an external NATS server is not ours to restart")
	}
	err := b.restart(ctx)
	b.look()
	return err
}

func (b *Bus) restart(ctx context.Context) error {
	b.restarting.Lock()
	defer b.restarting.Unlock()
	if b.Conn.IsClosed() {
		return errors.New("the bus has stopped")
	}
	b.log.Warn("restarting the embedded NATS server")
	if err := b.embedded.stop(ctx); err != nil {
		return err
	}
	if err := b.embedded.start(ctx); err != nil {
		return err
	}
	id := b.embedded.server().ID()
	for b.Conn.Status() != nats.CONNECTED || b.Conn.ConnectedServerId() != id {
		select {
		case <-ctx.Done():
			return fmt.Errorf("reconnecting to the restarted NATS server: %w", ctx.Err())
		case <-time.After(reconnectWait / 2):
		}
	}
	if _, err := b.JetStream.Stream(ctx, LogStream); err != nil {
		return fmt.Errorf("after the restart, stream %s: %w", LogStream, err)
	}
	b.report.Store(nil)
	return nil
}
