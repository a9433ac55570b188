package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// unreachableError is a failed connection in words for the person who gave the
// address.
type unreachableError struct {
	text string
	err  error
}

func (e unreachableError) Error() string { return e.text }
func (e unreachableError) Unwrap() error { return e.err }

// unreachable says what to check where base gave err instead of an answer. An
// interruption stays what it is.
func unreachable(base string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	where := base
	if u, perr := url.Parse(base); perr == nil && u.Host != "" {
		where = u.Scheme + "://" + u.Host // no password of a URL in a message
	}
	explain := func(zh, en string, args ...any) error {
		return unreachableError{fmt.Sprintf(tr(zh, en), args...), err}
	}
	var dns *net.DNSError
	var unknownCA x509.UnknownAuthorityError
	var badHost x509.HostnameError
	var notTLS tls.RecordHeaderError
	var timeout net.Error
	text := clean(err.Error()) // it may quote what the other side said
	switch {
	case strings.Contains(text, "malformed HTTP") && strings.Contains(text, "server_id"), speaksNATS(err, where):
		return explain("%s 是 NATS 端口，不是 HTTP 端口：这里请用节点就绪时打印的 http= 地址（发布和下架也可以写 nats://%s）",
			"%s is the NATS port, not the HTTP port: use the http= address of the hub's ready line here (publish and withdraw also take nats://%s)",
			where, strings.TrimPrefix(strings.TrimPrefix(where, "http://"), "https://"))
	case errors.Is(err, syscall.ECONNREFUSED):
		return explain("%s 没有程序在听：节点在运行吗？地址和端口对吗？（节点就绪时会打印 http= 和 nats= 两个地址）",
			"nothing listens at %s: is the hub running, are host and port right? (it prints http= and nats= when it is ready)", where)
	case errors.As(err, &dns):
		return explain("找不到主机 %q：请核对地址的拼写和本机的域名解析", "host %q is not found: check its spelling and this machine's name resolution", dns.Name)
	case errors.As(err, &notTLS), strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return explain("%s 没有使用 TLS：请改用 http:// 开头的地址", "%s does not speak TLS: use an address that begins with http://", where)
	case errors.As(err, &unknownCA), errors.As(err, &badHost):
		return explain("%s 的证书不可信：%v；请核对主机名，或把签发机构的证书装入本机", "the certificate of %s is not trusted: %v; check the host name, or install the issuer's certificate", where, text)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return explain("%s 没有及时答复：请检查网络、防火墙和代理，以及节点是否还在运行", "%s does not answer in time: check network, firewall and proxy, and whether the hub still runs", where)
	}
	return explain("与 %s 的连接出错：%v；请检查地址、端口和网络", "the connection to %s failed: %v; check host, port and network", where, text)
}

// speaksNATS tells whether it is a NATS server that broke a connection off: it speaks
// first, and where its words come before the question, net/http does not say what
// they were.
func speaksNATS(err error, where string) bool {
	u, perr := url.Parse(where)
	if perr != nil || u.Scheme != "http" || u.Port() == "" || !strings.Contains(err.Error(), "readLoopPeekFail") && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		return false
	}
	return greetsAsNATS(u.Host)
}

// greetsAsNATS tells whether a NATS server greets at host ("HOST:PORT").
func greetsAsNATS(host string) bool {
	conn, err := net.DialTimeout("tcp", host, 2*time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	words := make([]byte, len("INFO "))
	_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
	_, err = io.ReadFull(conn, words)
	return err == nil && string(words) == "INFO "
}

// speaksHTTP tells whether a web server is at host ("HOST:PORT").
func speaksHTTP(ctx context.Context, host string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/healthz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return true
}
