package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Bounds of a server's first words.
const (
	greetWait = 5 * time.Second
	greetSize = 64 << 10
)

// greeter connects to a NATS server and reads in its first words for which hub
// a token has to be: a hub's server bears the hub's DID as its name. Where Hub
// is given, that alone is believed.
//
// The words come before TLS begins. Whoever changes them under way turns the
// token into one for somebody else, but does not get it: it is sent to the
// server that TLS has checked. Without TLS nothing of this holds
// (docs/decisions/0017).
type greeter struct {
	Hub string // DID; "": what the server says

	mu   sync.Mutex
	said string
}

// Dial implements nats.CustomDialer.
func (g *greeter) Dial(network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: greetWait}).Dial(network, address)
	if err != nil || g.Hub != "" {
		return conn, err
	}
	r := bufio.NewReaderSize(conn, greetSize)
	err = conn.SetReadDeadline(time.Now().Add(greetWait))
	var line []byte
	if err == nil {
		line, err = r.ReadSlice('\n')
	}
	if err == nil {
		err = conn.SetReadDeadline(time.Time{})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf(tr("没有听到 NATS 服务器的问候：%w", "no greeting of a NATS server: %w"), err), conn.Close())
	}
	g.hear(line)
	return &greeted{conn, io.MultiReader(bytes.NewReader(bytes.Clone(line)), r)}, nil
}

// hear notes the hub of an INFO line. In a cluster, where each server needs a
// name of its own, it is the DID, "#" and anything.
func (g *greeter) hear(line []byte) {
	var info struct {
		Name string `json:"server_name"`
	}
	if text, ok := bytes.CutPrefix(line, []byte("INFO ")); ok {
		_ = json.Unmarshal(text, &info) // not NATS: the library will say so
	}
	did, _, _ := strings.Cut(info.Name, "#")
	g.mu.Lock()
	defer g.mu.Unlock()
	g.said = did
}

// hub is the DID of the hub that is being connected to.
func (g *greeter) hub() (string, error) {
	if g.Hub != "" {
		return g.Hub, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !strings.HasPrefix(g.said, "did:") {
		return "", errors.New(tr("这台 NATS 服务器没有说明自己属于哪个节点；请用 --hub-did 给出节点的 DID",
			"this NATS server does not say which hub it belongs to; give the hub's DID with --hub-did"))
	}
	return g.said, nil
}

// greeted is a connection whose first line has been read already.
type greeted struct {
	net.Conn
	r io.Reader
}

func (c *greeted) Read(b []byte) (int, error) { return c.r.Read(b) }
