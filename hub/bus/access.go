package bus

import (
	"crypto/subtle"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// hubUser is the name under which the hub itself connects; it comes with a
// random secret that never leaves the process.
const hubUser = "lianmu-hub"

// guard puts every connection into its account.
type guard struct {
	secret  string
	hub     *server.Account
	clients *server.Account
}

// Check implements server.Authentication. A wrong password for the hub's name
// is refused; everybody else is a client.
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
	if name != "" && !inboxToken(name) {
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

// InboxPrefix is where a client that connects under this user name receives
// answers: "_INBOX_<name>"; for "" the common "_INBOX", which anonymous clients
// share (one that listens to all of it sees the others' answers).
func InboxPrefix(name string) string {
	if name == "" {
		return nats.InboxPrefix[:len(nats.InboxPrefix)-1]
	}
	return "_INBOX_" + name
}

// ClientOptions are the options of a client that connects under a name: 1 to
// 128 letters, digits, hyphens or underscores. The name gives the connection
// inboxes of its own, and no right beyond that.
func ClientOptions(name string) []nats.Option {
	if name == "" {
		return nil
	}
	return []nats.Option{nats.UserInfo(name, ""), nats.CustomInboxPrefix(InboxPrefix(name))}
}

func inboxToken(s string) bool {
	if len(s) > 128 {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return true
}
