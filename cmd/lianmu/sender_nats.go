package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/hub/bus"
	"lianmu/vocab"
)

// answerWait is how long one attempt waits. A hub answers within it or says
// busy; longer silence means that request or answer was lost.
const answerWait = 15 * time.Second

// natsSender submits by NATS requests over one connection.
type natsSender struct {
	nc *nats.Conn

	mu   sync.Mutex
	line context.Context // ends when the connection is lost, and with it every attempt on it
	cut  context.CancelFunc
}

// dialNATS connects. It fails at once where nothing answers at hub; after
// that it reconnects for as long as it takes. notice tells a person of losses.
func dialNATS(ctx context.Context, hub string, notice func(string)) (*natsSender, error) {
	s := &natsSender{}
	s.line, s.cut = context.WithCancel(context.Background())
	opts := []nats.Option{
		nats.Name("lianmu"),
		nats.Timeout(5 * time.Second),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(200 * time.Millisecond),
		// Nothing is kept back while the connection is down: what was not
		// sent fails at once and is repeated by who sent it.
		nats.ReconnectBufSize(-1),
		// The library's own handler writes to standard error; losses are told
		// by the two below, once each.
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
		nats.DisconnectErrHandler(func(nc *nats.Conn, _ error) {
			s.mu.Lock()
			s.cut()
			s.mu.Unlock()
			if nc.IsClosed() {
				return
			}
			notice(tr("与节点的连接断了，正在重连 …", "connection to the hub lost, reconnecting …"))
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			s.mu.Lock()
			s.line, s.cut = context.WithCancel(context.Background())
			s.mu.Unlock()
			notice(tr("已重新连上", "connected again"))
		}),
	}
	nc, err := nats.Connect(hub, append(ownInbox(hub), opts...)...)
	if errors.Is(err, nats.ErrAuthorization) {
		// A server of its own, whose users are configured: those without a name
		// share their inboxes there.
		nc, err = nats.Connect(hub, append([]nats.Option{nats.CustomInboxPrefix(bus.InboxPrefix(bus.Anonymous))}, opts...)...)
	}
	if err != nil {
		return nil, noNATS(ctx, hub, err)
	}
	s.nc = nc
	return s, nil
}

// noNATS says what to check where no NATS server took the connection.
func noNATS(ctx context.Context, hub string, err error) error {
	where := hub
	if u, perr := url.Parse(hub); perr == nil && u.Host != "" {
		where = u.Scheme + "://" + u.Host
		if speaksHTTP(ctx, u.Host) {
			return unreachableError{fmt.Sprintf(tr("%s 是 HTTP 端口，不是 NATS 端口：请用节点就绪时打印的 nats= 地址，或写 http://%s",
				"%s is the HTTP port, not the NATS port: use the nats= address of the hub's ready line, or http://%s"), where, u.Host), err}
		}
	}
	if errors.Is(err, nats.ErrAuthorization) {
		return unreachableError{fmt.Sprintf(tr("%s 不接受这个用户：请核对地址里的用户名和密码", "%s does not take this user: check name and password in the address"), where), err}
	}
	return unreachableError{fmt.Sprintf(tr("连不上 %s（%v）：节点在运行吗？地址和端口对吗？（节点就绪时会打印 nats= 地址）",
		"cannot connect to %s (%v): is the hub running there, are host and port right? (it prints nats= when it is ready)"), where, err), err}
}

// ownInbox gives the connection inboxes that nobody else can listen to: under a
// random name, or those of the user in the URL, as deploy/nats/lianmu.conf has
// them.
func ownInbox(hub string) []nats.Option {
	if u, err := url.Parse(hub); err == nil && u.User != nil {
		return []nats.Option{nats.CustomInboxPrefix(bus.InboxPrefix(u.User.Username()))}
	}
	return bus.ClientOptions(rand.Text())
}

// Close lets what is on its way go out and closes the connection.
func (s *natsSender) Close() {
	s.nc.Close()
	s.mu.Lock()
	s.cut()
	s.mu.Unlock()
}

// request is one attempt: it ends with the answer, ctx, the time or the
// connection, whichever comes first.
func (s *natsSender) request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	s.mu.Lock()
	line := s.line
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	defer context.AfterFunc(line, cancel)()
	m, err := s.nc.RequestWithContext(ctx, subject, data)
	switch {
	case err == nil:
		return m.Data, nil
	case errors.Is(err, nats.ErrNoResponders):
		return nil, errors.New(tr("NATS 连上了，但没有目录节点在听", "NATS is there, but no hub is listening"))
	case errors.Is(err, nats.ErrMaxPayload):
		return nil, permanentError{err}
	}
	return nil, err
}

// token is the space's part of a subject. What a document claims as its signer
// may be anything: what no DID looks like would end the connection, and goes
// under one name for the hub to refuse.
func token(space string) string {
	t := bus.SpaceToken(space)
	if len(t) > 256 || strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "unknown"
	}
	return t
}

// Submit implements sender.
func (s *natsSender) Submit(ctx context.Context, space string, raw []byte) (vocab.Receipt, error) {
	data, err := s.request(ctx, bus.SubmitPrefix+token(space), raw)
	if err != nil {
		return vocab.Receipt{}, err
	}
	return decodeReceipt(data)
}

func decodeReceipt(data []byte) (vocab.Receipt, error) {
	var r vocab.Receipt
	if err := json.Unmarshal(data, &r); err != nil || r.Status == "" {
		return r, fmt.Errorf(tr("答复不是回执：%.120q", "the answer is not a receipt: %.120q"), data)
	}
	return r, nil
}

// Known implements sender.
func (s *natsSender) Known(ctx context.Context, space string, contents []vocab.Digest) (map[vocab.Digest]standing, error) {
	question, err := json.Marshal(map[string]any{"contents": contents})
	if err != nil {
		return nil, err
	}
	data, err := s.request(ctx, bus.ReceiptPrefix+token(space), question)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Known    map[vocab.Digest]standing `json:"known"`
		Problems vocab.Problems            `json:"problems"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, err
	}
	if len(answer.Problems) > 0 {
		return nil, answer.Problems // busy, most likely
	}
	return answer.Known, nil
}
