package vocab

import (
	"fmt"
	"math"
	"strings"
)

// LogCard (目录账本名片) is what a hub says of one of its logs, signed with the
// hub's key: it binds the log's origin to the key that signs its checkpoints, so
// that the log can come from anywhere.
type LogCard struct {
	ID          string `json:"id"`           // urn:uuid:…
	Origin      string `json:"origin"`       // first line of its checkpoints: lianmu/<multibase of Hub>/<epoch>
	Hub         string `json:"hub"`          // did:key of the hub
	VerifierKey string `json:"verifier_key"` // of log.key, in the form of C2SP signed-note
	Epoch       uint64 `json:"epoch"`
	Name        Text   `json:"name"`

	Addresses    []string `json:"addresses,omitempty"`    // nats://, tls://, wss:// and https:// URLs where it is to be had
	Contact      string   `json:"contact,omitempty"`      // a desk, never a person
	Jurisdiction string   `json:"jurisdiction,omitempty"` // ISO 3166-1 alpha-2, upper case
	Retention    uint64   `json:"retention"`              // days that bodies are kept; 0: for ever
	Agreement    Digest   `json:"agreement,omitzero"`     // SHA-256 of the agreement's text
	// Open and OpenUntil say whom its log took: everybody now, or everybody before
	// the entry OpenUntil (0: never). All who mirror it judge by that.
	Open      bool   `json:"open,omitempty"`
	OpenUntil uint64 `json:"open_until,omitempty"`
}

// LogOrigin is the origin of the log in which the hub with this DID, a did:key, goes
// on in an epoch: a URL without a scheme, as C2SP tlog-checkpoint asks for.
func LogOrigin(hub string, epoch uint64) string {
	return fmt.Sprintf("lianmu/%s/%d", strings.TrimPrefix(hub, didKey), epoch)
}

// HubOf is the DID of the hub whose log has this origin; "" where it is of another
// form than LogOrigin's.
func HubOf(origin string) string {
	part := strings.Split(origin, "/")
	if len(part) != 3 || part[0] != "lianmu" || part[1] == "" || part[2] == "" {
		return ""
	}
	return didKey + part[1]
}

const didKey = "did:key:"

// AdmittedUntil is the entry before which the log took whoever signed.
func (c *LogCard) AdmittedUntil() uint64 {
	if c.Open {
		return math.MaxUint64
	}
	return c.OpenUntil
}
