package peering

import "lianmu/vocab"

// Event is a hint that something about peers or their logs has changed.
type Event struct {
	What   string     `json:"what"`             // see eventLabels
	Label  vocab.Text `json:"label"`            // of What, for people
	Origin string     `json:"origin,omitempty"` // of the log that it is about; a hub that waits is not named
}

// What happens beside a log's or a peer's coming into a state.
const (
	returned = "returned" // of a log that was silent
	newCard  = "card"     // of a peer that says something else of itself
	keptBack = "withheld" // of a log whose hub withholds what is for everybody
)

// eventLabels has all kinds of events, with what people call them.
var eventLabels = map[string]vocab.Text{
	string(Ageing):  {"zh": "账本较久无消息", "en": "log silent for some time"},
	string(Stale):   {"zh": "账本失联，检索不再计入", "en": "log silent for too long, left out of searches"},
	returned:        {"zh": "账本恢复联系", "en": "log heard of again"},
	string(Stopped): {"zh": "账本已停止镜像，待处置", "en": "log stopped, for an officer to decide"},
	string(Full):    {"zh": "账本条数已达上限，停止镜像新内容", "en": "log over the bound of entries, not copied further"},
	string(Offered): {"zh": "对等节点有新账本，待确认", "en": "new log of a peer, for an officer to accept"},
	string(Waiting): {"zh": "有节点请求成为对等节点", "en": "hub asks to be a peer"},
	newCard:         {"zh": "对等节点换了名片，待确认", "en": "new card of a peer, for an officer to take"},
	keptBack:        {"zh": "对等节点不提供应公开的文档", "en": "hub withholds what is for everybody"},
}

// tell tells watchers of an event; origin is "" for one of a peer that waits.
func (p *Peers) tell(what, origin string) {
	p.c.Event(Event{What: what, Label: eventLabels[what], Origin: origin})
}
