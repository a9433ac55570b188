package exchange

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// Bounds of what a peer's NATS server may send.
const (
	maxLine    = 64 << 10        // a line of the protocol
	maxMessage = 1<<20 + 64<<10  // headers and payload of one message
	dialTime   = 5 * time.Second // to connect, be greeted and shake hands
)

// Dialer connects to the NATS server of a peer (nats.SetCustomDialer). The NATS
// library makes room for whatever size a server announces, so that one line of a
// hostile one ends the whole program; on these connections a line or message
// beyond the bounds ends the connection.
//
// For this to hold under TLS as well the dialer shakes hands itself, and tells the
// library so. It is for nats:// and tls:// alone, not for WebSocket.
type Dialer struct {
	Context context.Context // ends dialing
	Host    string          // the peer's, as it stands in the address: what its certificate is for
	Secure  bool            // the address says tls://
	TLS     *tls.Config     // may be nil
}

// SkipTLSHandshake tells the NATS library that Dial has shaken hands where need be.
func (*Dialer) SkipTLSHandshake() bool { return true }

// Dial implements nats.CustomDialer.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: dialTime}).DialContext(d.Context, network, address)
	if err != nil {
		return nil, err
	}
	secured, err := d.greet(conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secured, nil
}

// greet reads the server's first line, shakes hands if either side wants TLS, and
// returns a connection on which that line is still to be read.
func (d *Dialer) greet(conn net.Conn) (net.Conn, error) {
	if err := conn.SetDeadline(time.Now().Add(dialTime)); err != nil { // a connection just opened
		return nil, err
	}
	line, err := readLine(conn)
	if err != nil {
		return nil, fmt.Errorf("no greeting of a NATS server: %w", err)
	}
	var info struct {
		Required  bool `json:"tls_required"`
		Available bool `json:"tls_available"`
	}
	rest, ok := bytes.CutPrefix(line, []byte("INFO "))
	if !ok || json.Unmarshal(rest, &info) != nil {
		return nil, errors.New("what answers is no NATS server")
	}
	under := conn
	switch {
	case d.Secure && !info.Required && !info.Available:
		return nil, errors.New("the server does not offer TLS, and the address asks for it")
	case d.Secure || info.Required:
		c := &tls.Config{}
		if d.TLS != nil {
			c = d.TLS.Clone()
		}
		if c.ServerName == "" {
			c.ServerName = d.Host
		}
		secured := tls.Client(conn, c)
		if err := secured.HandshakeContext(d.Context); err != nil {
			return nil, err
		}
		under = secured
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	return &guarded{Conn: under, ready: line}, nil
}

// readLine reads up to and with the first line feed, and nothing beyond it.
func readLine(conn net.Conn) ([]byte, error) {
	var line []byte
	for one := make([]byte, 1); ; {
		if _, err := conn.Read(one); err != nil {
			return nil, err
		}
		if line = append(line, one[0]); one[0] == '\n' {
			return line, nil
		}
		if len(line) > maxLine {
			return nil, errTooLong
		}
	}
}

var errTooLong = errors.New("the server sent a line or message that is too long, or not of its protocol; the connection was ended")

// guarded is a connection that follows what the server sends.
type guarded struct {
	net.Conn
	ready []byte // read already
	watch watcher
}

// Read implements net.Conn.
func (g *guarded) Read(b []byte) (int, error) {
	if len(g.ready) > 0 {
		n := copy(b, g.ready)
		g.ready = g.ready[n:]
		return n, nil
	}
	n, err := g.Conn.Read(b)
	if werr := g.watch.see(b[:n]); werr != nil {
		return 0, werr
	}
	return n, err
}

// watcher follows the NATS client protocol: lines that end with CR LF, of which
// MSG and HMSG say in their last word how many bytes come before the next CR LF.
// It takes no other form, so that it cannot lose its place where the library has
// another view.
type watcher struct {
	line []byte // of the line under way
	rest int    // bytes of a payload, with its CR LF, still to come
}

func (w *watcher) see(b []byte) error {
	for len(b) > 0 {
		if w.rest > 2 {
			n := min(w.rest-2, len(b))
			b, w.rest = b[n:], w.rest-n
			continue
		}
		if w.rest > 0 {
			if b[0] != "\n\r"[w.rest-1] {
				return errTooLong
			}
			b, w.rest = b[1:], w.rest-1
			continue
		}
		end := bytes.IndexByte(b, '\n')
		part := b
		if end >= 0 {
			part = b[:end+1]
		}
		if len(w.line)+len(part) > maxLine {
			return errTooLong
		}
		w.line, b = append(w.line, part...), b[len(part):]
		if end < 0 {
			continue
		}
		if err := w.lineDone(); err != nil {
			return err
		}
		w.line = w.line[:0]
	}
	return nil
}

func (w *watcher) lineDone() error {
	line, ok := bytes.CutSuffix(w.line, []byte("\r\n"))
	if !ok || bytes.IndexByte(line, '\r') >= 0 {
		return errTooLong
	}
	if len(line) == 0 || bytes.IndexByte([]byte("MmHh"), line[0]) < 0 {
		return nil // of a fixed form, or such that the library refuses it
	}
	words := bytes.Fields(line)
	last := words[len(words)-1]
	if len(words) < 4 || len(last) > 7 {
		return errTooLong
	}
	n, err := strconv.ParseUint(string(last), 10, 32)
	if err != nil || n > maxMessage {
		return errTooLong
	}
	w.rest = int(n) + 2
	return nil
}
