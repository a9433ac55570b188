package vocab

import "time"

// Consent (上架授权) is the word of the holder of data products that spaces may
// list them, as the signed entry of a space tells it. The holder has signed it:
// either the space is the holder's own, or DID names the key beside the space's.
type Consent struct {
	ID         string    `json:"id"`                   // absolute @id
	Products   []string  `json:"products"`             // 数据标识码, 1 to MaxConsented, none twice
	Holder     string    `json:"holder"`               // 主体标识码, the one within each of Products
	DID        string    `json:"did,omitempty"`        // did:key of the holder; "": the space is operated by the holder
	Spaces     []string  `json:"spaces"`               // DIDs of those that may list them, 1 to MaxConsented, none twice
	ValidUntil time.Time `json:"valid_until,omitzero"` // zero: until withdrawn
}

// Bounds of consents: MaxConsented products, and as many spaces, are in one, and
// MaxConsents of one space count.
const (
	MaxConsented = 64
	MaxConsents  = 1000
)
