package hub_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/hub/bus"
	"lianmu/vocab"
)

// errand is what a process of its own does, so that what others do to a hub is
// not counted as the hub's own work.
type errand struct {
	URL     string
	From    string // address to come from
	Senders []sender

	Documents [][]byte // published one after another by the first sender

	Wrong []byte // a signed document; else sent again and again, wrongly signed
	Rate  int    // so many a second; 0: as fast as they go
}

// sender is one connection of an errand.
type sender struct{ Token, Subject, Inbox string }

// outcome is what became of an errand.
type outcome struct {
	Took    []time.Duration      // for each document, until it was answered by something else than busy
	Sent    int                  // wrong signatures
	Got     map[vocab.Status]int // answers
	Unheard int                  // documents sent again as no answer came
	For     time.Duration
	Senders int // who were needed, as each was cut off
	Err     string
}

func (o *outcome) add(more outcome) {
	if o.Got == nil {
		o.Got = map[vocab.Status]int{}
	}
	for status, n := range more.Got {
		o.Got[status] += n
	}
	o.Took = append(o.Took, more.Took...)
	o.Sent += more.Sent
	o.Unheard += more.Unheard
	o.For += more.For
	o.Senders += more.Senders
}

const errandEnv = "LIANMU_TEST_ERRAND"

// TestErrand is the process: it reads its errand from the first line of standard
// input, and where that is a flood it ends with the input.
func TestErrand(t *testing.T) {
	if os.Getenv(errandEnv) == "" {
		t.Skip("it is another test's process")
	}
	var e errand
	in := json.NewDecoder(os.Stdin)
	if err := in.Decode(&e); err != nil {
		t.Fatal(err)
	}
	var done outcome
	if e.Wrong != nil {
		var over atomic.Bool
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			over.Store(true)
		}()
		done = e.flood(&over)
	} else {
		done = e.publish()
	}
	if err := json.NewEncoder(os.Stdout).Encode(done); err != nil {
		t.Fatal(err)
	}
}

func (e *errand) connect(s sender) (*nats.Conn, error) {
	return nats.Connect(e.URL, nats.Token(s.Token), nats.CustomInboxPrefix(s.Inbox), nats.NoReconnect(),
		nats.SetCustomDialer(&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(e.From)}}))
}

func (e *errand) publish() outcome {
	done := outcome{Got: map[vocab.Status]int{}}
	conn, err := e.connect(e.Senders[0])
	if err != nil {
		done.Err = err.Error()
		return done
	}
	defer conn.Close()
	for _, raw := range e.Documents {
		for began := time.Now(); ; {
			var got vocab.Receipt
			m, err := conn.Request(e.Senders[0].Subject, raw, 5*time.Second)
			if err == nil {
				err = json.Unmarshal(m.Data, &got)
			}
			switch {
			case time.Since(began) > time.Minute:
				done.Err = fmt.Sprintf("no receipt for a minute: %v, %+v", err, got)
				return done
			case err != nil:
				done.Unheard++
				continue
			}
			done.Got[got.Status]++
			if got.Status != vocab.Busy {
				done.Took = append(done.Took, time.Since(began))
				break
			}
			time.Sleep(time.Duration(got.RetryAfterMS) * time.Millisecond)
		}
	}
	return done
}

// flood sends wrong signatures, each another one, until it is over or everybody
// is cut off. It writes a line when it has begun.
func (e *errand) flood(over *atomic.Bool) outcome {
	done := outcome{Got: map[vocab.Status]int{}}
	counts := map[vocab.Status]*atomic.Int64{vocab.Refused: {}, vocab.Busy: {}, "": {}}
	value := bytes.Index(e.Wrong, []byte(`"proofValue":"z`)) + len(`"proofValue":"z`) + 20
	began := time.Now()
	for _, s := range e.Senders {
		if over.Load() {
			break
		}
		done.Senders++
		conn, err := e.connect(s)
		if err != nil {
			done.Err = err.Error()
			break
		}
		defer conn.Close()
		inbox := conn.NewInbox()
		if _, err := conn.Subscribe(inbox, func(m *nats.Msg) {
			switch {
			case bytes.Contains(m.Data, []byte(`"status":"refused"`)):
				counts[vocab.Refused].Add(1)
			case bytes.Contains(m.Data, []byte(`"status":"busy"`)):
				counts[vocab.Busy].Add(1)
			default:
				counts[""].Add(1)
			}
		}); err != nil {
			done.Err = err.Error()
			break
		}
		raw := bytes.Clone(e.Wrong)
		for !over.Load() && !conn.IsClosed() {
			due := done.Sent + 1000
			if e.Rate > 0 {
				due = int(time.Since(began).Seconds() * float64(e.Rate))
			}
			for ; done.Sent < due; done.Sent++ {
				const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
				for at, i := 0, done.Sent; at < 4; at++ {
					raw[value+at] = base58[i%58]
					i /= 58
				}
				if conn.PublishRequest(s.Subject, inbox, raw) != nil {
					break
				}
				if done.Sent == 1000 {
					fmt.Println(begun)
				}
			}
			if e.Rate > 0 {
				time.Sleep(time.Millisecond)
			} else {
				_ = conn.Flush() // or the library counts as sent what it keeps
			}
		}
	}
	done.For = time.Since(began)
	time.Sleep(300 * time.Millisecond) // for answers that are under way
	for status, n := range counts {
		done.Got[status] = int(n.Load())
	}
	return done
}

const begun = "begun"

// errand starts a process for e, a flood with as low a priority as there is:
// where a flood comes from another machine takes none of this one's time. End
// ends it, if need be, and returns what it did.
func (r *running) errand(e errand) (end func() outcome) {
	r.t.Helper()
	e.URL = r.info.NATS
	e.From = cmp.Or(e.From, "127.0.0.1")
	args := []string{os.Args[0], "-test.run=^TestErrand$", "-test.timeout=5m"}
	if nice, err := exec.LookPath("nice"); err == nil && e.Wrong != nil {
		args = append([]string{nice, "-n", "19"}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), errandEnv+"=1", "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	if err := json.NewEncoder(in).Encode(e); err != nil {
		r.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for e.Wrong != nil && lines.Scan() && lines.Text() != begun {
	}
	return func() (done outcome) {
		if e.Wrong != nil {
			_ = in.Close()
		}
		found := false
		for lines.Scan() {
			found = found || json.Unmarshal(lines.Bytes(), &done) == nil
		}
		_ = in.Close()
		if err := cmd.Wait(); err != nil || !found || done.Err != "" {
			r.t.Errorf("a process of others: %v %s", err, done.Err)
		}
		return done
	}
}

// sender makes a connection's token.
func (r *running) sender() sender {
	token := bus.SpaceToken(r.key.DID())
	return sender{Token: r.bearer(r.key), Subject: bus.SubmitPrefix + token, Inbox: bus.InboxPrefix(token)}
}

// cpu is what this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
