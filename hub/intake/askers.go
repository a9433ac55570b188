package intake

import (
	"strconv"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/nats-io/nats.go"

	"lianmu/hub/access"
	"lianmu/hub/bus"
)

// askersKept is how many connections are remembered; some 1 KB each, 5 KB at most.
const askersKept = 2048

// asker is who a message is from.
type asker struct {
	claim access.Claim
	name  string // whom the connection stands for, "" where the server does not tell
}

// askers remembers who is behind a connection: to read it out of every message
// would be most of what it costs to turn one away. It is safe for concurrent use.
type askers struct {
	known *lru.Cache[said, asker]
}

// said is what a message says of who it is from.
type said struct{ credentials, subject string }

func newAskers() askers {
	known, err := lru.New[said, asker](askersKept)
	if err != nil { // only a size below one is refused
		panic(err)
	}
	return askers{known}
}

// of says whose account a message goes on: the address that it comes from and,
// of those who share it, the connection and the subject. An external server that
// shares no addresses leaves the subject alone, which anybody may use.
func (a askers) of(m *nats.Msg, subject string) asker {
	key := said{bus.Credentials(m), subject}
	if who, ok := a.known.Get(key); ok {
		return who
	}
	name, host, connection := bus.Asker(m)
	who := asker{
		claim: access.Claim{Client: access.ClientOf(host), Party: strconv.FormatUint(connection, 10) + " " + subject},
		name:  name,
	}
	a.known.Add(key, who)
	return who
}
