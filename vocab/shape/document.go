package shape

import (
	"context"
	"time"

	"lianmu/vocab/jsonld"
)

// ReadDocument decodes, expands and reads the bytes of a document, without
// looking at its proof. Errors are vocab.Problems.
func (r *Reader) ReadDocument(ctx context.Context, p *jsonld.Processor, raw []byte, now time.Time) (*Reading, error) {
	d, err := p.Decode(raw)
	if err != nil {
		return nil, err
	}
	g, err := p.Expand(ctx, d)
	if err != nil {
		return nil, err
	}
	return r.Read(g, now)
}
