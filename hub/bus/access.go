package bus

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// hubUser is the name under which the hub itself connects; it comes with a
// random secret that never leaves the process.
const hubUser = "lianmu-hub"

// userInfo is where a server tells a connection its own rights: of it, nothing
// else.
const userInfo = "$SYS.REQ.USER.INFO"

// guard puts every connection to the embedded server into its account, and
// refuses whoever brings no token that the gate lets in.
type guard struct {
	secret  string // the hub's password
	cookie  string // what only WebSocketHandler says, of whom it brings
	gate    *gate
	hub     *server.Account
	clients *server.Account
}

// Check implements server.Authentication.
func (g *guard) Check(c server.ClientAuthentication) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	o := c.GetOpts()
	if o.Username == hubUser {
		if subtle.ConstantTimeCompare([]byte(o.Password), []byte(g.secret)) != 1 {
			return false
		}
		c.RegisterUser(&server.User{Username: hubUser, Account: g.hub})
		return true
	}
	// Nkey would be this connection's name in place of the one given below, and
	// hide it from disconnect.
	if c.Kind() != server.CLIENT || o.Username != "" || o.Nkey != "" || o.JWT != "" {
		return false
	}
	address, ok := g.address(c)
	if !ok {
		return false
	}
	done := g.gate.entering()
	defer done()
	who, ok := g.gate.enter(o.Token, address)
	if !ok {
		return false
	}
	c.RegisterUser(&server.User{
		Username: who.user(address), Account: g.clients, Permissions: who.permissions(),
		ConnectionDeadline: g.gate.deadline(),
	})
	return true
}

// address is where a client is; false for one that came to the WebSocket
// listener by another way than WebSocketHandler. The server writes of a
// WebSocket client "192.0.2.7/127.0.0.1:4711 - wid:3", the first being what the
// handler said.
func (g *guard) address(c server.ClientAuthentication) (string, bool) {
	text := ""
	if s, ok := c.(fmt.Stringer); ok {
		text = s.String()
	}
	from, kind, _ := strings.Cut(text, " - ")
	if strings.HasPrefix(kind, "wid:") {
		if subtle.ConstantTimeCompare([]byte(c.GetOpts().Password), []byte(g.cookie)) != 1 {
			return "", false
		}
		host, _, said := strings.Cut(from, "/")
		return strings.Trim(host, "[]"), said
	}
	a := c.RemoteAddress()
	if a == nil || c.GetOpts().Password != "" {
		return "", false
	}
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		host = a.String() // in-process: no address at all
	}
	return host, true
}

// entrant is whom the gate let in.
type entrant struct {
	name  string // subject token of the space; of the issuer where it is none
	inbox string // subject token of the key that signed the token
}

// user is the name that the server knows the connection by: what Disconnect
// finds it by, and Asker the address.
func (e entrant) user(address string) string { return e.name + "@" + address }

// publishes and subscribes say what a client may do: ask the hub's services, on
// the subjects of its own space where they have one, hear events, and hear
// answers on its own inboxes alone. There is no response permission: clients
// answer nothing.
func (e entrant) publishes() []string {
	if e.name == probeName {
		return nil
	}
	return []string{SubmitPrefix + e.name, ReceiptPrefix + e.name, PeerPrefix + "*", Search, userInfo}
}

func (e entrant) subscribes() []string {
	if e.name == probeName {
		return nil
	}
	return []string{InboxPrefix(e.inbox) + ".>", EventPrefix + ">"}
}

func (e entrant) permissions() *server.Permissions {
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: e.publishes()},
		Subscribe: &server.SubjectPermission{Allow: e.subscribes()},
	}
}

// InboxPrefix is where a client receives answers whose key has this subject
// token (see SpaceToken): "_INBOX_<token>". Connections with one key share it.
func InboxPrefix(token string) string { return "_INBOX_" + token }

// ClientOptions are the options of a client whose key has this DID. fresh makes
// its token, and is called at each connect and reconnect, as a token is good
// for one: an error of it makes the server refuse the connection. A refused
// client goes on trying (see nats.MaxReconnects): a hub that has just started
// lets nobody in yet.
func ClientOptions(fresh func() (string, error), did string) []nats.Option {
	return []nats.Option{
		nats.TokenHandler(func() string {
			token, err := fresh()
			if err != nil {
				return ""
			}
			return token
		}),
		nats.CustomInboxPrefix(InboxPrefix(SpaceToken(did))),
		nats.IgnoreAuthErrorAbort(),
	}
}

// OwnToken asks the server which space a client's connection stands for, and
// returns its subject token: that of the space's name, which need not be the
// key that the client signs with.
func OwnToken(nc *nats.Conn) (string, error) {
	m, err := nc.Request(userInfo, nil, readyTimeout)
	if err != nil {
		return "", fmt.Errorf("asking the NATS server for the own rights: %w", err)
	}
	var answer struct {
		Data struct {
			Permissions struct {
				Publish struct {
					Allow []string `json:"allow"`
				} `json:"publish"`
			} `json:"permissions"`
		} `json:"data"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return "", fmt.Errorf("the NATS server's answer about the own rights: %w", err)
	}
	for _, subject := range answer.Data.Permissions.Publish.Allow {
		if token, ok := strings.CutPrefix(subject, SubmitPrefix); ok && subjectToken(token) {
			return token, nil
		}
	}
	return "", fmt.Errorf("this connection may submit for no space; is this the NATS server of a lianmu hub?")
}

// subjectToken reports whether s may be one token of a subject, as SpaceToken
// makes them: 1 to 128 letters, digits, hyphens or underscores.
func subjectToken(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return true
}

// Asker says who sent a request: the name that its connection stands for, as
// Authenticate gave it, and the address it came from (both "" where the server
// does not tell), and numbers the connection. The server writes it into the
// request, in place of whatever the client wrote there.
func Asker(m *nats.Msg) (name, host string, connection uint64) {
	var info struct {
		Host string `json:"host"`
		ID   uint64 `json:"id"`
		User string `json:"user"`
	}
	// What cannot be read comes from a server that shares nothing.
	_ = json.Unmarshal([]byte(Credentials(m)), &info)
	if name, address, ok := strings.Cut(info.User, "@"); ok {
		return name, address, info.ID // of who came over WebSocket, Host is the proxy
	}
	return "", info.Host, info.ID
}

// Credentials is the text that Asker reads: the same in every request of one
// connection for as long as the server finds it as far away. It has some 300
// bytes, and up to 4 KB where a client says much of itself.
func Credentials(m *nats.Msg) string { return m.Header.Get(server.ClientInfoHdr) }
