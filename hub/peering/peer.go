package peering

import (
	"time"

	"lianmu/vocab"
)

// State is how this hub stands to a peer.
type State string

// States of a peer.
const (
	Waiting  State = "waiting"  // it presented itself; an officer decides
	Approved State = "approved" // it may have documents, and its logs are mirrored
	Paused   State = "paused"   // for a while neither; its mirrors stay and age
	Blocked  State = "blocked"  // neither, and its logs are taken from nobody else
	NoPeer   State = "none"     // never stored: it was removed or is known by relays, and logs of it are here
)

// Label is what people call the state.
func (s State) Label() vocab.Text {
	return map[State]vocab.Text{
		Waiting: {"zh": "等待批准", "en": "waiting"}, Approved: {"zh": "已批准", "en": "approved"},
		Paused: {"zh": "已暂停", "en": "paused"}, Blocked: {"zh": "已拒绝", "en": "blocked"},
		NoPeer: {"zh": "不是对等节点", "en": "no peer"},
	}[s]
}

// Approval is an officer's recorded decision to let more leave than usual.
type Approval struct {
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

// Peer is another hub, as this one's officers decided about it.
type Peer struct {
	DID  string `json:"did"`
	Card []byte `json:"card,omitempty"` // its signed log card, as an officer took it; nil: not seen yet
	// Newer is the newest card that it shows, where that says something else of it
	// than Card: nothing of this holds before an officer has taken it, with Add.
	Newer     []byte    `json:"newer,omitempty"`
	Addresses []string  `json:"addresses,omitempty"`
	State     State     `json:"state"`
	Why       string    `json:"why,omitempty"`       // why it waits again: code of the problem
	Relays    bool      `json:"relays,omitempty"`    // logs of hubs unknown here are taken from it too
	Outbound  *Approval `json:"outbound,omitempty"`  // 出境: it is outside the mainland
	Important *Approval `json:"important,omitempty"` // 重要数据 may go to it
	Note      string    `json:"note,omitempty"`
	Added     time.Time `json:"added"`
	By        string    `json:"by,omitempty"`
}

// LogState is how a mirror stands.
type LogState string

// States of a mirror. The first three follow from its age; the others stand
// until somebody decides.
const (
	Current LogState = "current" // its origin was heard of lately
	Ageing  LogState = "ageing"  // silent for longer than AgeingAfter
	Stale   LogState = "stale"   // silent for longer than StaleAfter: left out of searches
	Stopped LogState = "stopped" // contradicts itself; an officer decides
	OnHold  LogState = "paused"  // its peer is paused
	Offered LogState = "offered" // a new epoch, which an officer has to accept
	Full    LogState = "full"    // there is no room for more of it; what was copied stays
	Ended   LogState = "ended"   // its hub goes on in a newer epoch
	purging LogState = "purging" // being thrown away
)

// Label is what people call the state.
func (s LogState) Label() vocab.Text {
	return map[LogState]vocab.Text{
		Current: {"zh": "最新", "en": "current"}, Ageing: {"zh": "较久无消息", "en": "ageing"}, Stale: {"zh": "失联", "en": "stale"},
		Stopped: {"zh": "已停止", "en": "stopped"}, OnHold: {"zh": "已暂停", "en": "paused"}, Offered: {"zh": "待确认", "en": "offered"},
		Full:  {"zh": "已达上限", "en": "full"},
		Ended: {"zh": "已接替", "en": "ended"}, purging: {"zh": "正在清除", "en": "being thrown away"},
	}[s]
}

// Mirror is what is kept of a mirrored log beside the log.
type Mirror struct {
	Origin string   `json:"origin"`
	Hub    string   `json:"hub"` // DID
	Card   []byte   `json:"card,omitempty"`
	State  LogState `json:"state"` // as stored: Current, Stopped, Offered, Ended or purging
	// Why tells why it was stopped, and Evidence the two signed notes, or cards,
	// that contradict each other.
	Why      *vocab.Problem `json:"why,omitempty"`
	Evidence [][]byte       `json:"evidence,omitempty"`
	// Heard is the newest moment at which the origin is known to have been alive:
	// of the checkpoints accepted, the earlier of the time in it and the time at
	// which it came here.
	Heard time.Time `json:"heard,omitzero"`
	Added time.Time `json:"added"`
	From  string    `json:"from,omitempty"` // DID of the peer it was first heard of
}

// Terms are what an officer lets a peer have.
type Terms struct {
	Outbound  string `json:"outbound,omitempty"`  // why documents may leave the mainland; "" keeps what was decided
	Important string `json:"important,omitempty"` // why 重要数据 may go to it, likewise
	Relays    bool   `json:"relays,omitempty"`
	Note      string `json:"note,omitempty"`
}

// Link is how the connection to a peer is.
type Link struct {
	Connected bool       `json:"connected"`
	Address   string     `json:"address,omitempty"` // that is or was last tried
	Heard     time.Time  `json:"heard,omitzero"`    // its last answer
	Error     *Complaint `json:"error,omitempty"`   // the last one
	In        int64      `json:"bytes_in"`          // since the start, of answers
	Out       int64      `json:"bytes_out"`         // since the start, of questions
}

// Complaint is what was last wrong, and when.
type Complaint struct {
	At      time.Time      `json:"at"`
	Problem vocab.Problems `json:"problems"`
	Over    bool           `json:"over,omitempty"` // what had failed has worked since
}

// PeerInfo is a peer as officers see it. One alone has its cards too: Card is then
// the one that Approve takes.
type PeerInfo struct {
	Peer
	Words Words          `json:"words"`           // fingerprint of its DID
	About *vocab.LogCard `json:"about,omitempty"` // of Peer.Card
	Says  *vocab.LogCard `json:"says,omitempty"`  // of Peer.Newer
	Link  *Link          `json:"link,omitempty"`  // nil: none is kept
	Asked time.Time      `json:"asked,omitzero"`  // when it last asked here, since the start
	Plain bool           `json:"plain,omitempty"` // an address of it is without TLS
	Logs  []LogInfo      `json:"logs"`
}

// LogInfo is a mirrored log as officers see it.
type LogInfo struct {
	Mirror
	State     LogState       `json:"state"`
	Name      vocab.Text     `json:"name,omitempty"`
	Size      uint64         `json:"size"`             // entries held
	Offered   uint64         `json:"offered"`          // entries that somebody offers
	Lag       uint64         `json:"lag"`              // the difference; see LagKnown
	LagKnown  bool           `json:"lag_known"`        // somebody offers it now: else nobody can tell how far it has gone on
	AgeS      int64          `json:"age_s"`            // since Heard; -1: never heard
	Source    string         `json:"source,omitempty"` // DID of the hub it was last copied from
	Faulty    int            `json:"faulty"`
	Withheld  int            `json:"withheld"`
	Missing   int            `json:"missing"`
	Redacted  int            `json:"redacted"`
	Redactors map[string]int `json:"redacted_by,omitempty"` // peers that mirror it, and how many redactions they have carried out
	Error     *Complaint     `json:"error,omitempty"`       // the last failure of copying
}
