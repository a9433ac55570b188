package bus

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// websocketCookie carries the secret of WebSocketHandler, see guard.address.
const websocketCookie = "lianmu-hub"

// websocketHeaders are what the handler passes on of a client's request (RFC
// 6455, section 4.1). Nothing else of what a client writes gets through, no
// forwarded address and no cookie.
var websocketHeaders = []string{"Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions", "User-Agent"}

// websocketOptions is a listener on a loopback port, without TLS, for
// WebSocketHandler alone: others lack the cookie.
func websocketOptions() server.WebsocketOpts {
	return server.WebsocketOpts{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoTLS: true,
		PasswordCookie: websocketCookie, HandshakeTimeout: 5 * time.Second,
	}
}

// WebSocketAddr is host:port of the embedded server's WebSocket listener on the
// loopback interface, "" where there is none. Only WebSocketHandler gets in there.
func (b *Bus) WebSocketAddr() string {
	if b.embedded == nil {
		return ""
	}
	b.embedded.mu.Lock()
	defer b.embedded.mu.Unlock()
	return b.embedded.websocket
}

// WebSocketHandler brings WebSocket clients (RFC 6455) to the embedded server,
// to be served beside the hub's pages, over its TLS; nil with an external
// server or where clients are not listened for. The client's address is that of
// the request's connection, never what a header says.
func (b *Bus) WebSocketHandler() http.Handler {
	if b.WebSocketAddr() == "" {
		return nil
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			header := http.Header{}
			for _, name := range websocketHeaders {
				if v := r.In.Header.Get(name); v != "" {
					header.Set(name, v)
				}
			}
			header.Set("Connection", "Upgrade")
			header.Set("Upgrade", "websocket")
			header.Set("X-Forwarded-For", hostOf(r.In.RemoteAddr))
			header.Set("Cookie", (&http.Cookie{Name: websocketCookie, Value: b.embedded.cookie}).String())
			r.Out.Header = header
			// "/" alone: paths such as /leafnode mean other protocols there.
			r.Out.URL = &url.URL{Scheme: "http", Host: b.WebSocketAddr(), Path: "/"}
			r.Out.Host = r.Out.URL.Host
			r.Out.Body, r.Out.ContentLength = http.NoBody, 0
		},
		// Not the default one, which obeys HTTP_PROXY.
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			ResponseHeaderTimeout: 10 * time.Second, DisableKeepAlives: true,
		},
		ErrorLog: slog.NewLogLogger(b.log.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			http.Error(w, "NATS 暂不可用，请稍后重试。NATS is not available just now: try again.", http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
			http.Error(w, "这里是 NATS 的 WebSocket 入口，请用 NATS 客户端连接。This is NATS over WebSocket: connect with a NATS client.", http.StatusUpgradeRequired)
			return
		}
		proxy.ServeHTTP(w, r)
	})
}
