package jsonld

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/piprate/json-gold/ld"
)

const (
	proofMember = "proof"
	proofIRI    = "https://w3id.org/security#proof"

	// patience is how many times Limits.Time a costly expansion may take by the
	// clock. The steps counted beforehand decide what is refused; the clock only
	// catches what the count did not foresee, and must not refuse an honest
	// document because the machine is busy.
	patience = 8
)

// options are read-only and shared by every context and expansion.
var options = func() *ld.JsonLdOptions {
	o := ld.NewJsonLdOptions("")
	o.ProcessingMode = ld.JsonLd_1_1
	o.DocumentLoader = loader{}
	return o
}()

// Expand applies the JSON-LD 1.1 expansion algorithm, with no base IRI: what is
// relative stays relative. d is not changed. Members that expand to no IRI are
// left out, as the standard says (JSON-LD 1.1 API, 5.1.2).
//
// Errors are vocab.Problems with one of the codes context.unknown,
// context.invalid, limit.context, limit.work, limit.time, jsonld.invalid; or
// ctx.Err() where the caller gave up.
func (p *Processor) Expand(ctx context.Context, d *Document) (*Graph, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c, err := p.parsedContext(d.Object)
	if err != nil {
		return nil, err
	}
	object := withoutProof(d.Object) // whose contexts, too, are never parsed here
	w, err := allow(object, &c.bill, c.price, p.limits)
	if err != nil {
		return nil, err
	}
	expanded, err := p.run(ctx, c, object, w.costly)
	if errors.Is(err, errInterrupted) && ctx.Err() == nil {
		// The clock runs on while the machine stands still for others: once more.
		expanded, err = p.run(ctx, c, object, w.costly)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, p.explain(c.active, object, w, err)
	}
	g := &Graph{Nodes: topNodes(expanded), active: c.active, whole: d.Object, source: object, costly: w.costly}
	for _, node := range g.Nodes {
		delete(node, proofIRI)
	}
	if _, has := d.Object["@context"]; !has {
		g.NoContext = hasTerms(object) || slices.ContainsFunc(ld.Arrayify(object["@graph"]), hasTerms)
	}
	return g, nil
}

// run expands object, a costly one within its time.
func (p *Processor) run(ctx context.Context, c *parsed, object map[string]any, costly bool) (any, error) {
	opts := options
	if !costly && c.plain {
		v, err := contained(func() (any, error) { return plain{c.active}.object("", object) })
		if err == nil {
			return v, nil
		}
	}
	if costly {
		limited, cancel := context.WithTimeout(ctx, patience*p.limits.Time)
		defer cancel()
		opts = interruptible(limited)
	}
	return contained(func() (any, error) {
		return ld.NewJsonLdApi().Expand(c.active, "", object, opts, false, nil)
	})
}

// hasTerms reports whether v is an object without a context whose members need
// one: neither keywords nor IRIs.
func hasTerms(v any) bool {
	m, _ := v.(map[string]any)
	if _, has := m["@context"]; has {
		return false
	}
	for name := range m {
		if !strings.HasPrefix(name, "@") && !strings.Contains(name, ":") {
			return true
		}
	}
	return false
}

// parsedContext returns the document's active context, from the cache where the
// same list was seen before.
func (p *Processor) parsedContext(object map[string]any) (*parsed, error) {
	return p.parse(object["@context"])
}

func (p *Processor) parse(list any) (*parsed, error) {
	key := contextKey(list)
	if c := p.cache.get(key); c != nil {
		return c, nil
	}
	m := meter{known: knownContext}
	cost, err := m.context(list, "/@context", true)
	if err != nil {
		return nil, err
	}
	c := &parsed{bill: m.bill, price: cost, memory: 4*m.bytes + 500*m.terms + 4096}
	if _, err := allow(nil, &c.bill, c.price, p.limits); err != nil {
		return nil, err
	}
	// What the writer sent stays his; the cache keeps a copy.
	local := ld.CloneDocument(list)
	base, from := ld.NewContext(nil, options), 0
	if shared, own := split(local); shared != nil {
		// Many writers put a few terms of their own after the same addresses:
		// those are parsed once for all.
		b, err := p.parse(shared)
		if err != nil {
			return nil, err
		}
		base, local, from = b.active, own, len(shared)
	}
	v, err := contained(func() (any, error) { return base.Parse(local) })
	if err != nil {
		return nil, contextProblem(base, local, from, err)
	}
	c.active = v.(*ld.Context)
	c.plain = c.active.RevertToPreviousContext() == c.active // no @propagate: false
	p.cache.put(key, c)
	return c, nil
}

// split divides a context list into its leading addresses and what follows.
// shared is nil where there is nothing to gain, or where the first context that
// follows says @propagate, which json-gold heeds only at the head of a list.
func split(v any) (shared, own []any) {
	list, _ := v.([]any)
	n := 0
	for n < len(list) {
		if _, isAddress := list[n].(string); !isAddress {
			break
		}
		n++
	}
	if n == 0 || n == len(list) {
		return nil, nil
	}
	if m, isMap := list[n].(map[string]any); isMap {
		if _, has := m["@propagate"]; has {
			return nil, nil
		}
	}
	return list[:n:n], list[n:]
}

// withoutProof returns the document's own members: its context is applied
// already, and its proof is not part of what it says.
func withoutProof(object map[string]any) map[string]any {
	own := make(map[string]any, len(object))
	for name, v := range object {
		if name != "@context" && name != proofMember {
			own[name] = v
		}
	}
	return own
}

func topNodes(expanded any) []map[string]any {
	if m, isMap := expanded.(map[string]any); isMap {
		if inner, has := m["@graph"]; has && len(m) == 1 {
			expanded = inner
		} else if len(m) == 0 {
			return nil
		}
	}
	if expanded == nil {
		return nil
	}
	var nodes []map[string]any
	for _, e := range ld.Arrayify(expanded) {
		if m, isMap := e.(map[string]any); isMap {
			nodes = append(nodes, m)
		}
	}
	return nodes
}

// interrupted is thrown through json-gold to end an expansion.
type interrupted struct{}

// interruptible returns options under which json-gold looks at ctx after every
// node. It costs a JSON pointer for every value, so only what is costly gets it.
func interruptible(ctx context.Context) *ld.JsonLdOptions {
	o := options.Copy()
	o.ExpandedElementHandler = func(string, any) {
		if ctx.Err() != nil {
			panic(interrupted{})
		}
	}
	return o
}

// contained runs f and turns a panic into an error: json-gold asserts types
// that hostile, and some legal, input does not have.
func contained(f func() (any, error)) (v any, err error) {
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
		case interrupted:
			v, err = nil, errInterrupted
		default:
			v, err = nil, fmt.Errorf("%w: %v", errPanicked, r)
		}
	}()
	return f()
}
