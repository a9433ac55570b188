package exchange

import (
	"encoding/binary"
	"errors"
	"fmt"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// documentHead is the length of what stands before each document: its state, one
// byte, and the length of its bytes, four, big endian.
const documentHead = 1 + 4

// appendDocument writes a document: state ‖ length ‖ bytes.
func appendDocument(b []byte, d Document) []byte {
	b = append(b, byte(d.State))
	b = binary.BigEndian.AppendUint32(b, uint32(len(d.Bytes)))
	return append(b, d.Bytes...)
}

// parseDocuments reads what appendDocument wrote, at least one and at most n of
// them. Their bytes are parts of raw.
func parseDocuments(raw []byte, n int) ([]Document, error) {
	out := make([]Document, 0, min(n, len(raw)/documentHead))
	for len(raw) > 0 {
		if len(out) == n {
			return nil, fmt.Errorf("more than the %d documents asked for", n)
		}
		if len(raw) < documentHead {
			return nil, errors.New("it ends within a document")
		}
		state, length := DocumentState(raw[0]), binary.BigEndian.Uint32(raw[1:])
		raw = raw[documentHead:]
		switch {
		case state < DocumentGiven || state > DocumentRedacted:
			return nil, fmt.Errorf("state %d of a document is unknown", state)
		case (state == DocumentGiven) != (length > 0) || length > ledger.MaxDocument:
			return nil, fmt.Errorf("a document of %d bytes in state %d", length, state)
		case uint64(length) > uint64(len(raw)):
			return nil, errors.New("it ends within a document")
		}
		d := Document{State: state}
		if length > 0 {
			d.Bytes = raw[:length:length]
		}
		out, raw = append(out, d), raw[length:]
	}
	if len(out) == 0 {
		return nil, errors.New("no document")
	}
	return out, nil
}

// joined writes digests one after the other.
func joined(digests []vocab.Digest) []byte {
	b := make([]byte, 0, 32*len(digests))
	for _, d := range digests {
		b = append(b, d[:]...)
	}
	return b
}

// split undoes it.
func split(b []byte) []vocab.Digest {
	out := make([]vocab.Digest, len(b)/32)
	for i := range out {
		out[i] = vocab.Digest(b[32*i:])
	}
	return out
}
