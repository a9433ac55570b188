package bus

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	calloutUser  = "auth"    // of account AUTH; it has the hub's password
	calloutGroup = "lianmu"  // processes of one hub share the questions
	probeName    = "-probe-" // stands for nobody, and may do nothing
	askedAtOnce  = 10_000    // questions that wait; the server gives up after 2 s
	listWait     = time.Second
	enterTime    = 3 * time.Second // how long a server may take to let in whom a hub has said yes to
)

// callout answers an external server's questions who connects (NATS "auth
// callout"), as guard does in this process. It has a connection of its own, in
// account AUTH, which sees nothing but these questions, a list of connections,
// and the order to end one.
type callout struct {
	conn  *nats.Conn
	keys  *CalloutKeys
	gate  *gate
	probe string
	log   *slog.Logger
	done  chan struct{}
}

// startCallout answers from its return on, and makes sure of it: a client
// without a token must be kept out, and one that only this hub lets in must get
// in.
func startCallout(ctx context.Context, c Config, g *gate, log *slog.Logger) (*callout, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, errors.New("the URL of the NATS server is not a URL") // the error would quote its password
	}
	password := ""
	if u.User != nil {
		password, _ = u.User.Password()
	}
	o := &callout{keys: c.Callout, gate: g, log: log, done: make(chan struct{})}
	if o.probe, err = c.Callout.probe(); err != nil {
		return nil, err
	}
	u.User = url.UserPassword(calloutUser, password)
	quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
	if o.conn, err = nats.Connect(u.String(), nats.Name("lianmu hub, auth callout"), nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait), nats.ReconnectBufSize(-1), nats.IgnoreAuthErrorAbort(), quiet); err != nil {
		return nil, fmt.Errorf("the NATS server does not let the hub in as user %q: %w; it lets clients in through the hub, so it needs this user, of account AUTH and with the hub's password, as in deploy/nats/lianmu.conf", calloutUser, err)
	}
	sub, err := o.conn.QueueSubscribe(server.AuthCalloutSubject, calloutGroup, o.answer)
	if err == nil {
		err = sub.SetPendingLimits(askedAtOnce, askedAtOnce*4*maxToken)
	}
	if err == nil {
		err = o.conn.FlushTimeout(readyTimeout)
	}
	if err != nil {
		o.conn.Close()
		return nil, err
	}
	if err := o.try(ctx, u); err != nil {
		o.stop()
		return nil, err
	}
	return o, nil
}

// try connects as clients do.
func (o *callout) try(ctx context.Context, u *url.URL) error {
	u.User = nil
	quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
	stranger, err := nats.Connect(u.String(), nats.NoReconnect(), nats.Timeout(readyTimeout), quiet)
	if err == nil {
		stranger.Close()
		return errors.New("the NATS server lets clients in without asking the hub: it must have an auth_callout and no no_auth_user, as in deploy/nats/lianmu.conf")
	}
	friend, err := nats.Connect(u.String(), nats.Token(o.probe), nats.NoReconnect(), nats.Timeout(readyTimeout), quiet)
	if err != nil {
		return fmt.Errorf("the NATS server does not let clients in on the hub's word: %w; its auth_callout must name issuer %s and xkey %s (lianmu key nats prints them)", err, o.keys.issuer, o.keys.xkey)
	}
	friend.Close()
	return ctx.Err()
}

func (o *callout) stop() {
	select {
	case <-o.done:
		return
	default:
	}
	close(o.done)
	o.conn.Close()
}

// answer says yes or no to one question. What it cannot read gets no answer, and
// the client is refused when the server's patience ends.
func (o *callout) answer(m *nats.Msg) {
	defer func() {
		if r := recover(); r != nil {
			o.log.Warn("a question of the NATS server's auth callout could not be read", "panic", r)
		}
	}()
	xkey := m.Header.Get(server.AuthRequestXKeyHeader)
	question, err := o.keys.curve.Open(m.Data, xkey)
	if err != nil {
		o.log.Warn("the NATS server's auth callout must be sealed for the hub's xkey", "error", err)
		return
	}
	q, err := jwt.DecodeAuthorizationRequestClaims(string(question))
	if err != nil || q.Server.XKey != xkey || q.Audience != server.AuthRequestSubject {
		o.log.Warn("not a question of an auth callout", "error", err)
		return
	}
	a := jwt.NewAuthorizationResponseClaims(q.UserNkey)
	a.Audience = q.Server.ID
	if a.Jwt, err = o.admit(q); err != nil {
		a.Error = "no valid token" // why is for the hub to know
	}
	signed, err := a.Encode(o.keys.account)
	if err != nil {
		o.log.Error("answering the NATS server's auth callout", "error", err)
		return
	}
	sealed, err := o.keys.curve.Seal([]byte(signed), xkey)
	if err == nil {
		err = m.Respond(sealed)
	}
	if err != nil {
		o.log.Debug("answering the NATS server's auth callout", "error", err)
	}
}

// admit returns the user JWT of a client that may come in.
func (o *callout) admit(q *jwt.AuthorizationRequestClaims) (string, error) {
	c, address := q.ConnectOptions, q.ClientInformation.Host
	if c.Username != "" || c.Password != "" || c.Nkey != "" || c.JWT != "" {
		return "", errors.New("not a token alone")
	}
	done := o.gate.entering()
	defer done()
	who, ok := entrant{name: probeName}, subtle.ConstantTimeCompare([]byte(c.Token), []byte(o.probe)) == 1
	if !ok {
		if who, ok = o.gate.enter(c.Token, address); !ok {
			return "", errors.New("refused")
		}
	}
	u := jwt.NewUserClaims(q.UserNkey)
	u.Name = who.user(address)
	u.Audience = clientsAccount
	u.Expires = o.gate.deadline().Unix()
	u.AllowedConnectionTypes = jwt.StringList{jwt.ConnectionTypeStandard, jwt.ConnectionTypeWebsocket}
	u.Pub.Allow = who.publishes()
	u.Sub.Allow = who.subscribes()
	if len(u.Pub.Allow) == 0 {
		u.Pub.Deny, u.Sub.Deny = jwt.StringList{">"}, jwt.StringList{">"}
	}
	return u.Encode(o.keys.account)
}

// disconnect ends connections twice: those that are there, and those that were
// being let in meanwhile.
func (o *callout) disconnect(name string) {
	o.gate.settle()
	for range 2 {
		if err := o.kick(name); err != nil {
			o.log.Error("ending NATS connections", "name", name, "error", err)
		}
		select {
		case <-o.done:
			return
		case <-time.After(enterTime):
		}
	}
}

// kick asks every server of the cluster for its connections, and to end those
// that stand for name.
func (o *callout) kick(name string) error {
	question, err := json.Marshal(server.ConnzEventOptions{ConnzOptions: server.ConnzOptions{
		Account: clientsAccount, Username: true, Limit: maxClients,
	}})
	if err != nil {
		return err
	}
	inbox := o.conn.NewInbox()
	sub, err := o.conn.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := o.conn.PublishRequest("$SYS.REQ.SERVER.PING.CONNZ", inbox, question); err != nil {
		return err
	}
	answers := 0
	for ; ; answers++ {
		m, err := sub.NextMsg(listWait)
		if err != nil && answers > 0 {
			return nil // all servers have answered
		}
		if err != nil {
			return fmt.Errorf("the NATS server does not list its connections: %w; account SYS must export that to AUTH, as in deploy/nats/lianmu.conf", err)
		}
		var a struct {
			Server struct {
				ID string `json:"id"`
			} `json:"server"`
			Data server.Connz `json:"data"`
		}
		if err := json.Unmarshal(m.Data, &a); err != nil {
			return err
		}
		for _, c := range a.Data.Conns {
			if !standsFor(c.AuthorizedUser, name) {
				continue
			}
			order, err := json.Marshal(server.KickClientReq{CID: c.Cid})
			if err != nil {
				return err
			}
			// The server obeys only who wants to hear of it. That the connection
			// is gone by now is no failure.
			if _, err := o.conn.Request("$SYS.REQ.SERVER."+a.Server.ID+".KICK", order, listWait); err != nil {
				return err
			}
		}
	}
}
