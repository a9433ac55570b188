package peering

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"lianmu/federation/exchange"
	"lianmu/federation/identity"
	"lianmu/hub/bus"
	"lianmu/vocab"
)

// Bounds of a connection to a peer.
const (
	dialWait  = 5 * time.Second
	askWait   = 45 * time.Second // for one answer; a long poll takes 30 s of it
	tokenLife = 5 * time.Minute  // a token is used at once, so this is what clocks may differ by
	infoSize  = 64 << 10         // of what a stranger says of itself
)

// wire is a connection to a peer: it asks, and counts bytes.
type wire struct {
	ask     exchange.Asker
	hangUp  func()
	in, out *atomic.Int64
}

// Ask implements exchange.Asker.
func (w *wire) Ask(ctx context.Context, q exchange.Question, body []byte) ([]byte, error) {
	w.out.Add(int64(len(body)))
	answer, err := w.ask.Ask(ctx, q, body)
	w.in.Add(int64(len(answer)))
	return answer, err
}

// Takes is how many bytes of an answer the transport brings (see
// exchange.NewClient).
func (w *wire) Takes() int {
	if t, ok := w.ask.(interface{ Takes() int }); ok {
		return t.Takes()
	}
	return exchange.MaxAnswer
}

// dial connects to the hub with this DID at an address. A hub at that address with
// another DID refuses the token.
func (p *Peers) dial(ctx context.Context, address, did string, in, out *atomic.Int64) (*wire, error) {
	u, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	fresh := func() (string, error) { return identity.NewToken(p.c.Signer, did, p.c.Now(), tokenLife) }
	w := &wire{in: in, out: out}
	if u.Scheme == "http" || u.Scheme == "https" {
		client := p.client()
		w.ask, w.hangUp = exchange.NewHTTPAsker(client, strings.TrimRight(address, "/"), fresh), client.CloseIdleConnections
		return w, nil
	}
	conn, err := nats.Connect(u.String(), append([]nats.Option{
		nats.Name("lianmu peer"), nats.Timeout(dialWait),
		nats.NoReconnect(), // the link dials again, perhaps another address
		nats.SetCustomDialer(&exchange.Dialer{Context: ctx, Host: u.Hostname(), Secure: u.Scheme == "tls"}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			p.c.Logger.Debug("a peer's connection", "peer", did, "err", err)
		}),
	}, bus.ClientOptions(fresh, p.did())...)...)
	if err != nil {
		return nil, unreachable(address, err)
	}
	w.ask, w.hangUp = exchange.NewNATSAsker(conn, askWait), conn.Close
	return w, nil
}

// client is for one peer: it follows no redirects, which could lead a token or a
// question elsewhere.
func (p *Peers) client() *http.Client {
	return &http.Client{
		Timeout: askWait,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: dialWait}).DialContext,
			TLSHandshakeTimeout: dialWait, MaxIdleConnsPerHost: 2 * copiesOfOne, IdleConnTimeout: time.Minute,
			MaxResponseHeaderBytes: 16 << 10, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// discover asks the hub at an address for its card. Whoever answers there proves
// by the card's signature that it has the key it names, and no more than that.
func (p *Peers) discover(ctx context.Context, address string) (*Card, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*dialWait)
	defer cancel()
	u, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	did, err := p.greet(ctx, u)
	if err != nil {
		return nil, unreachable(address, err)
	}
	if did == p.did() {
		return p.own.Load(), nil
	}
	var in, out atomic.Int64
	w, err := p.dial(ctx, address, did, &in, &out)
	if err != nil {
		return nil, err
	}
	defer w.hangUp()
	answer, err := exchange.NewClient(w).Logs(ctx, exchange.LogsRequest{Card: p.Card()})
	if err != nil {
		return nil, unreachable(address, err)
	}
	card, err := p.cards.read(ctx, answer.Card)
	if err != nil {
		return nil, err
	}
	if card.Hub != did {
		return nil, notOf(card, did)
	}
	return card, nil
}

// greet learns the DID of the hub at an address: from the first words of its NATS
// server, which bears the hub's DID as its name (in a cluster followed by "#" and
// anything), or over HTTP.
func (p *Peers) greet(ctx context.Context, u *url.URL) (string, error) {
	var did string
	switch u.Scheme {
	case "nats", "tls":
		conn, err := (&net.Dialer{Timeout: dialWait}).DialContext(ctx, "tcp", hostPort(u, "4222"))
		if err != nil {
			return "", err
		}
		defer conn.Close()
		_ = conn.SetReadDeadline(time.Now().Add(dialWait)) // a connection just opened takes one
		text, err := bufio.NewReader(io.LimitReader(conn, infoSize)).ReadBytes('\n')
		if err != nil {
			return "", fmt.Errorf("no greeting of a NATS server: %w", err)
		}
		var info struct {
			Name string `json:"server_name"`
		}
		if rest, ok := strings.CutPrefix(string(text), "INFO "); ok {
			_ = json.Unmarshal([]byte(rest), &info) // not NATS: said below
		}
		did, _, _ = strings.Cut(info.Name, "#")
	default:
		client := p.client()
		defer client.CloseIdleConnections()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath("/api/v1/log").String(), nil)
		if err != nil {
			return "", err
		}
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		var info struct {
			Hub string `json:"hub"`
		}
		if err := json.NewDecoder(io.LimitReader(resp.Body, infoSize)).Decode(&info); err != nil {
			return "", errors.New("something else than a hub answers there")
		}
		did = info.Hub
	}
	if _, err := identity.PublicKey(did); err != nil {
		return "", errors.New("what answers there does not say which hub it is")
	}
	return did, nil
}

// hostPort is where a URL points, with the port that goes without saying.
func hostPort(u *url.URL, port string) string {
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func unreachable(address string, err error) error {
	if errors.Is(err, nats.ErrAuthorization) {
		return vocab.Problems{vocab.NewProblem("", "peer.token",
			"%[1]s 不接受本节点的令牌：请核对两边的时钟，以及该地址上是不是这个对等节点。",
			"%[1]s does not take this hub's token: check both clocks, and whether it is that peer who answers there", address)}
	}
	return vocab.Problems{vocab.NewProblem("", "peer.unreachable",
		"连不上对等节点 %[1]s（%[2]v）：对方在运行吗？地址、端口和防火墙对吗？",
		"the peer cannot be reached at %[1]s (%[2]v): is it running there, are address, port and firewall right?", address, err)}
}
