package vocab

import "time"

// Participant is an organisation that a space has admitted (接入主体), as the
// space's signed entry tells it. Natural persons are never participants here.
type Participant struct {
	ID         string    `json:"id"`   // absolute @id
	Code       string    `json:"code"` // 主体标识码, 18 characters (NDI-TR-2025-04)
	DID        string    `json:"did,omitempty"`
	Name       Text      `json:"name"`
	Roles      []Term    `json:"roles,omitempty"`
	Level      Term      `json:"level,omitzero"`       // of the organisation's identity check
	ValidUntil time.Time `json:"valid_until,omitzero"` // zero: until withdrawn
	Audience   Audience  `json:"audience,omitempty"`   // AudienceSpace where it says nothing
}
