// Package intake turns submissions into receipts: decode, verify, admit,
// append to the log. Work is bounded, order is the log's, and every refusal
// says all that is wrong.
//
// It never shows or searches anything.
package intake

import (
	"time"

	"lianmu/vocab"
)

// Quarantined is a refused submission, kept for 30 days.
type Quarantined struct {
	Sequence   uint64         `json:"sequence"`
	ReceivedAt time.Time      `json:"received_at"`
	Space      string         `json:"space,omitempty"` // as claimed; not proven
	ID         string         `json:"id,omitempty"`
	Digest     vocab.Digest   `json:"digest"`
	Bytes      int            `json:"bytes"`
	Problems   vocab.Problems `json:"problems"`
}
