package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/identity"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// answerWait is how long one attempt waits. A hub answers within it or says
// busy; longer silence means that request or answer was lost.
const answerWait = 15 * time.Second

// tokenLife is how long a token for NATS is good: it is used at once, so this
// is what clocks may differ by.
const tokenLife = 5 * time.Minute

// natsSender submits by NATS requests over one connection, which stands for the
// space of one key.
type natsSender struct {
	nc  *nats.Conn
	own string // subject token of that space

	mu      sync.Mutex
	line    context.Context // ends when the connection is lost, and with it every attempt on it
	cut     context.CancelFunc
	refused error // why the hub does not let this key in again, if that is so
}

// dialNATS connects. It fails at once where nothing answers at hub; after
// that it reconnects for as long as it takes.
func dialNATS(ctx context.Context, hub string, as caller) (*natsSender, error) {
	u, err := url.Parse(hub)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, errors.New(tr("--hub 应写成 nats://主机:端口，不带用户名和口令：登录用 --key 的密钥", "--hub must be nats://HOST:PORT, without user and password: the key of --key logs in"))
	}
	if as.Key == nil {
		return nil, errors.New(tr("NATS 要用空间的密钥登录：请给出 --key，或改用 http:// 地址", "NATS is entered with the space's key: give --key, or use the http:// address"))
	}
	g := &greeter{Hub: as.HubDID}
	if u.Scheme == "ws" || u.Scheme == "wss" {
		if err := overWebSocket(ctx, u, g, as); err != nil {
			return nil, err
		}
	}
	s := &natsSender{own: bus.SpaceToken(as.Key.DID())}
	s.line, s.cut = context.WithCancel(context.Background())
	fresh := func() (string, error) {
		did, err := g.hub()
		if err == nil {
			var token string
			if token, err = identity.NewToken(as.Key, did, as.Now(), tokenLife); err == nil {
				return token, nil
			}
		}
		s.refuse(err)
		return "", err
	}
	nc, err := nats.Connect(u.String(), append(s.options(g, as.Notice), bus.ClientOptions(fresh, as.Key.DID())...)...)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.refused != nil { // no token could be made
			err = s.refused
		}
		return nil, noNATS(ctx, hub, err)
	}
	s.nc = nc
	if s.own, err = bus.OwnToken(nc); err != nil {
		nc.Close()
		return nil, noNATS(ctx, hub, err)
	}
	return s, nil
}

// overWebSocket asks over HTTP who the hub is: there the server's first words
// come too late to be read below the library. NATS is at /nats unless the
// address says otherwise.
func overWebSocket(ctx context.Context, u *url.URL, g *greeter, as caller) error {
	if u.Path == "" || u.Path == "/" {
		u.Path = "/nats"
	}
	if g.Hub != "" {
		return nil
	}
	h, err := newHubClient(strings.Replace(u.Scheme, "ws", "http", 1)+"://"+u.Host, nil, as.Now)
	if err != nil {
		return err
	}
	defer h.http.CloseIdleConnections()
	info, err := h.info(ctx)
	if err == nil && info.Hub == "" {
		err = fmt.Errorf(tr("%s 上没有联目节点；请核对地址和端口", "there is no lianmu hub at %s; check host and port"), h.base)
	}
	g.Hub = info.Hub
	return err
}

func (s *natsSender) options(g *greeter, notice func(string)) []nats.Option {
	return []nats.Option{
		nats.Name("lianmu"),
		nats.SetCustomDialer(g),
		nats.Timeout(5 * time.Second),
		nats.MaxReconnects(-1),
		// A hub that refuses tokens looks at few of them a second.
		nats.CustomReconnectDelay(func(attempts int) time.Duration { return min(200*time.Millisecond<<min(attempts, 10), longPause) }),
		// Nothing is kept back while the connection is down: what was not
		// sent fails at once and is repeated by who sent it.
		nats.ReconnectBufSize(-1),
		// The library's own handler writes to standard error; losses are told
		// by the two below, once each.
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrAuthorization) {
				s.refuse(err)
			}
		}),
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
			s.refused = nil
			s.mu.Unlock()
			notice(tr("已重新连上", "connected again"))
		}),
	}
}

func (s *natsSender) refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = err
}

// noNATS says what to check where no NATS server took the connection.
func noNATS(ctx context.Context, hub string, err error) error {
	where := hub
	if u, perr := url.Parse(hub); perr == nil && u.Host != "" {
		where = u.Scheme + "://" + u.Host
		if (u.Scheme == "nats" || u.Scheme == "tls") && !errors.Is(err, nats.ErrAuthorization) && speaksHTTP(ctx, u.Host) {
			return unreachableError{fmt.Sprintf(tr("%s 是 HTTP 端口，不是 NATS 端口：请用节点就绪时打印的 nats= 地址，或写 http://%s",
				"%s is the HTTP port, not the NATS port: use the nats= address of the hub's ready line, or http://%s"), where, u.Host), err}
		}
	}
	if errors.Is(err, nats.ErrAuthorization) {
		return unreachableError{fmt.Sprintf(tr("%s 不接受这把密钥：请核对本机时钟、密钥是否已被停用，以及 --hub-did（如果写了）是不是该节点的 DID；刚才连得太频繁也会这样，过几秒再试",
			"%s does not take this key: check this machine's clock, whether the key was retired, and that --hub-did, if given, is that hub's DID; it also happens after too many attempts, so try again in some seconds"), where), err}
	}
	return unreachableError{fmt.Sprintf(tr("连不上 %s（%v）：节点在运行吗？地址和端口对吗？（节点就绪时会打印 nats= 地址）",
		"cannot connect to %s (%v): is the hub running there, are host and port right? (it prints nats= when it is ready)"), where, err), err}
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
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(s.refused, nats.ErrAuthorization) {
		return nil, errors.New(tr("节点不再接受这把密钥的连接：密钥可能已停用，或本机时钟不准", "the hub no longer takes connections with this key: it may be retired, or this machine's clock is wrong"))
	}
	return nil, err
}

// Submit implements sender.
func (s *natsSender) Submit(ctx context.Context, raw []byte) (vocab.Receipt, error) {
	data, err := s.request(ctx, bus.SubmitPrefix+s.own, raw)
	if err != nil {
		return vocab.Receipt{}, err
	}
	return decodeReceipt(data)
}

func decodeReceipt(data []byte) (vocab.Receipt, error) {
	var r vocab.Receipt
	if err := receive(data, &r); err != nil || r.Status == "" {
		return r, fmt.Errorf(tr("答复不是回执：%.120q", "the answer is not a receipt: %.120q"), data)
	}
	return r, nil
}

// Known implements sender.
func (s *natsSender) Known(ctx context.Context, contents []vocab.Digest) (map[vocab.Digest]standing, error) {
	question, err := json.Marshal(map[string]any{"contents": contents})
	if err != nil {
		return nil, err
	}
	data, err := s.request(ctx, bus.ReceiptPrefix+s.own, question)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Known    map[vocab.Digest]standing `json:"known"`
		Problems vocab.Problems            `json:"problems"`
	}
	if err := receive(data, &answer); err != nil {
		return nil, err
	}
	if len(answer.Problems) > 0 {
		return nil, answer.Problems // busy, most likely
	}
	return answer.Known, nil
}
