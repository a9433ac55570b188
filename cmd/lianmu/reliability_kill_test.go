package main

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// reliabilitySeed is printed, so that a failure can be run again with
// LIANMU_TEST_SEED.
func reliabilitySeed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("LIANMU_TEST_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("LIANMU_TEST_SEED=%d", seed)
	return seed
}

// TestKill kills a hub under load with SIGKILL at random moments, at start-up
// too. Everything acknowledged must be where its receipt says, once, the log
// verify, and the views show what the test's own fold says.
func TestKill(t *testing.T) {
	const kills = 22
	n := newNode(t, t.TempDir())
	seed := reliabilitySeed(t)
	rnd := rand.New(rand.NewPCG(seed, 2))
	tr := newTraffic(t, seed, 4)
	n.start()
	conn := tr.dial(n.info.NATS)
	f := tr.run(conn, 64)
	atStart := 0
	for i := range kills {
		tr.permit(500)
		if i%4 == 3 { // most often before it serves
			time.Sleep(time.Duration(rnd.IntN(250)) * time.Millisecond)
			select {
			case <-n.ready:
			default:
				atStart++
			}
		} else {
			select {
			case <-n.ready:
			case <-n.exited:
				t.Fatalf("after kill %d the hub did not start: %v", i, n.cmd.ProcessState)
			case <-time.After(30 * time.Second):
				t.Fatalf("after kill %d the hub is not ready", i)
			}
			// Under load, whatever the machine's speed.
			want := tr.answered.Load() + int64(rnd.IntN(200))
			for end := time.Now().Add(5 * time.Second); tr.answered.Load() < want && time.Now().Before(end); {
				time.Sleep(2 * time.Millisecond)
			}
			time.Sleep(time.Duration(rnd.IntN(30)) * time.Millisecond)
		}
		n.alive()
		n.kill()
		n.launch()
	}
	select {
	case <-n.ready:
	case <-time.After(30 * time.Second):
		t.Fatal("the hub is not ready after the last kill")
	}
	f.finish(t, time.Minute)
	t.Logf("%d kills, %d of them before the hub was ready; %d answers", kills, atStart, tr.answered.Load())
	m := tr.check(n)
	tr.repeatSome(n, conn, m, 300)
	r := n.verifyClean()
	digest, shown := m.digest()
	if r.Log.Size != m.size || r.Folded.Offerings != shown || r.Folded.Digest != digest {
		t.Errorf("log verify saw %d entries and %+v; the test has %d, %d offerings, %s", r.Log.Size, r.Folded, m.size, shown, digest)
	}
}

// TestShutdownUnderLoad stops a hub in order while a full window is under way.
func TestShutdownUnderLoad(t *testing.T) {
	n := newNode(t, t.TempDir())
	tr := newTraffic(t, reliabilitySeed(t), 3)
	n.start()
	conn := tr.dial(n.info.NATS)
	tr.permit(100_000)
	f := tr.run(conn, 512)
	for tr.answered.Load() < 1000 {
		time.Sleep(5 * time.Millisecond)
		n.alive()
	}
	code, took := n.stop()
	t.Logf("stopped after %v with %d answers", took, tr.answered.Load())
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took > 15*time.Second {
		t.Errorf("stopping took %v", took)
	}
	f.abandon()
	f.workers.Wait()
	n.start()
	m := tr.check(n)
	tr.repeatSome(n, conn, m, 100)
	n.verifyClean()
	if m.size < 500 {
		t.Errorf("only %d entries", m.size)
	}
}
