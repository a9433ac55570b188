package bus

import (
	"crypto/subtle"
	"encoding/json"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// hubUser is the name under which the hub itself connects; it comes with a
// random secret that never leaves the process.
const hubUser = "lianmu-hub"

// guard puts every connection into its account, and refuses one without a name:
// with no inboxes of its own it could hear the answers to others.
type guard struct {
	secret  string
	hub     *server.Account
	clients *server.Account
}

// Check implements server.Authentication. A wrong password for the hub's name
// is refused, as is everybody who gives none; all others are clients.
func (g *guard) Check(c server.ClientAuthentication) bool {
	o := c.GetOpts()
	if o.Username == hubUser {
		if subtle.ConstantTimeCompare([]byte(o.Password), []byte(g.secret)) != 1 {
			return false
		}
		c.RegisterUser(&server.User{Username: hubUser, Account: g.hub})
		return true
	}
	name := o.Username
	if !inboxToken(name) {
		return false
	}
	c.RegisterUser(&server.User{Username: name, Account: g.clients, Permissions: clientPermissions(name)})
	return true
}

// clientPermissions lets a client ask the hub's services, hear events, and hear
// answers on its own inboxes alone. There is no response permission: clients
// answer nothing.
func clientPermissions(name string) *server.Permissions {
	return &server.Permissions{
		Publish: &server.SubjectPermission{Allow: []string{
			SubmitPrefix + "*", ReceiptPrefix + "*", PeerPrefix + "*", Search,
		}},
		Subscribe: &server.SubjectPermission{Allow: []string{
			InboxPrefix(name) + ".>", EventPrefix + ">",
		}},
	}
}

// Anonymous is the name of those who have none, on an external server that lets
// them in (deploy/nats/lianmu.conf): they share its inboxes, and hear each other.
const Anonymous = "anonymous"

// InboxPrefix is where a client that connects under this user name receives
// answers: "_INBOX_<name>".
func InboxPrefix(name string) string { return "_INBOX_" + name }

// ClientOptions are the options of a client that connects under a name: 1 to
// 128 letters, digits, hyphens or underscores. The name gives the connection
// inboxes of its own, and no right beyond that: whoever guesses it hears the
// answers, so it should be random. There is no connection without one.
func ClientOptions(name string) []nats.Option {
	return []nats.Option{nats.UserInfo(name, ""), nats.CustomInboxPrefix(InboxPrefix(name))}
}

func inboxToken(s string) bool {
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

// Asker says from which address a client's request came ("" where the server
// does not tell) and numbers its connection. The server writes it into the
// request, in place of whatever the client wrote there.
func Asker(m *nats.Msg) (host string, connection uint64) {
	var info struct {
		Host string `json:"host"`
		ID   uint64 `json:"id"`
	}
	// What cannot be read comes from a server that shares nothing.
	_ = json.Unmarshal([]byte(m.Header.Get(server.ClientInfoHdr)), &info)
	return info.Host, info.ID
}
