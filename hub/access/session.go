package access

import (
	"container/list"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"

	"lianmu/federation/identity"
)

// How long a session lasts, at most and without being used.
const (
	SessionLife = 8 * time.Hour
	SessionIdle = 30 * time.Minute
)

// How many sessions are kept: of all people, of those who hold an office, and
// of one person. About 20 MB.
const (
	maxSessions        = 20_000
	maxOfficerSessions = 1_000
	maxPersonSessions  = 8
)

// session is one browser that somebody signed in with. It says how they proved
// who they are, not what they may: that is looked up at every request.
type session struct {
	did    string          // key that made the token; of a person, the key that vouched; "" by OpenID Connect
	by     string          // of a person for whom a key vouched: its space
	person identity.Person // "" where the key speaks for itself
	at     string          // of whom a provider knows: the keyed digest of issuer and sub
	oidc   []Role          // what the provider's claims came to
	csrf   string          // what POSTs from pages must carry

	whose      string // Who.Identity of the one who signed in, to count their sessions
	share      string // on whose account it is kept
	made, seen time.Time
	id         sessionID
}

// claimed is the one who signed in, as they did.
func (s *session) claimed(client string) Who {
	w := Who{Via: ViaSession, Org: s.person.Org, Name: s.person.Name, By: s.by, At: s.at, Client: client}
	if s.person == (identity.Person{}) {
		w.DID = s.did
	}
	return w
}

// sessionID is the digest of what the cookie holds: whoever reads memory cannot
// become anybody, and looking one up takes the same time for all.
type sessionID [sha256.Size]byte

func sessionIDOf(cookie string) sessionID { return sha256.Sum256([]byte(cookie)) }

// sessionStore holds sessions in bounded memory. When it is full, the share
// with the most sessions loses the one unused for longest.
type sessionStore struct {
	limit int

	mu     sync.Mutex // guards the rest, and seen of every session
	byID   map[sessionID]*list.Element
	shares map[string]*list.List // of *session, used last in front
}

func newSessionStore(limit int) *sessionStore {
	return &sessionStore{limit: limit, byID: map[sessionID]*list.Element{}, shares: map[string]*list.List{}}
}

// open keeps s and returns what the cookie is to hold: 256 random bits.
func (t *sessionStore) open(s *session, now time.Time) string {
	cookie := rand.Text() + rand.Text()
	s.id, s.csrf = sessionIDOf(cookie), rand.Text()
	s.made, s.seen = now, now
	t.mu.Lock()
	defer t.mu.Unlock()
	t.makeRoom(s, now)
	share := t.shares[s.share]
	if share == nil {
		share = list.New()
		t.shares[s.share] = share
	}
	t.byID[s.id] = share.PushFront(s)
	return cookie
}

// makeRoom ends what stands in the way of s. The caller holds mu.
func (t *sessionStore) makeRoom(s *session, now time.Time) {
	if share := t.shares[s.share]; share != nil {
		mine := 0
		for e := share.Front(); e != nil; {
			old, next := e.Value.(*session), e.Next()
			if old.over(now) {
				t.remove(e)
			} else if old.whose == s.whose {
				if mine++; mine >= maxPersonSessions {
					t.remove(e)
				}
			}
			e = next
		}
	}
	for len(t.byID) >= t.limit {
		var most *list.List
		for _, l := range t.shares {
			if most == nil || l.Len() > most.Len() {
				most = l
			}
		}
		t.remove(most.Back())
	}
}

// remove forgets one. The caller holds mu.
func (t *sessionStore) remove(e *list.Element) {
	s := e.Value.(*session)
	delete(t.byID, s.id)
	share := t.shares[s.share]
	share.Remove(e)
	if share.Len() == 0 {
		delete(t.shares, s.share)
	}
}

// over reports whether the session's time is up.
func (s *session) over(now time.Time) bool {
	return now.Sub(s.made) >= SessionLife || now.Sub(s.seen) >= SessionIdle
}

// find returns a session that lasts, and notes that it is used.
func (t *sessionStore) find(id sessionID, now time.Time) *session {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.byID[id]
	if e == nil {
		return nil
	}
	s := e.Value.(*session)
	if s.over(now) {
		t.remove(e)
		return nil
	}
	s.seen = now
	t.shares[s.share].MoveToFront(e)
	return s
}

// close forgets a session; none is fine.
func (t *sessionStore) close(id sessionID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.byID[id]; e != nil {
		t.remove(e)
	}
}
