package shape

import (
	"maps"
	"slices"
	"strings"

	"lianmu/vocab"
)

// node is an expanded node object. It belongs to the caller and is only read.
type node = map[string]any

// class is what a node's types make it. The order decides where a node has
// several offering types: the more specific wins.
type class uint8

const (
	classNone class = iota
	classWithdrawal
	classDeregistration
	classSpace
	classEpoch
	classParticipant
	classConsent
	classAct
	classRedaction
	classLog
	classProduct
	classResource
	classService
	classDataset
)

var classNames = map[string]class{
	"withdrawal": classWithdrawal, "deregistration": classDeregistration, "space": classSpace, "epoch": classEpoch,
	"participant": classParticipant, "consent": classConsent, "act": classAct, "redaction": classRedaction, "log": classLog,
	"product": classProduct, "resource": classResource, "service": classService, "dataset": classDataset,
}

func (c class) entry() vocab.EntryKind {
	switch c {
	case classWithdrawal:
		return vocab.KindWithdrawal
	case classDeregistration:
		return vocab.KindDeregistration
	case classSpace:
		return vocab.KindSpace
	case classEpoch:
		return vocab.KindEpoch
	case classParticipant:
		return vocab.KindParticipant
	case classConsent:
		return vocab.KindConsent
	case classAct:
		return vocab.KindAct
	case classRedaction:
		return vocab.KindRedaction
	case classLog:
		return vocab.KindLog
	}
	return vocab.KindOffering
}

func (c class) kind() vocab.OfferingKind {
	switch c {
	case classProduct:
		return vocab.Product
	case classResource:
		return vocab.Resource
	case classService:
		return vocab.Service
	}
	return vocab.Dataset
}

// candidate is a node that could be what the document is about.
type candidate struct {
	node  node
	id    string
	class class
	clash bool // types of two kinds of document on one node
	level int
	path  []place // from the root down
}

func (c candidate) place() *place { return chain(c.path) }

// chain links places from the root down.
func chain(path []place) *place {
	p := &place{}
	for i, q := range path {
		if i > 0 {
			q.up = p
		}
		p = &q
	}
	return p
}

// graph is a document's nodes by what they are called, and what in it could
// be its subject.
type graph struct {
	p          *profile
	byID       map[string]node
	owned      map[string]bool    // byID entries that are copies of ours
	grown      map[[2]string]bool // (id, property): value lists that are ours to append to
	candidates []candidate
	services   map[string]bool // @ids that an accessService refers to
	stack      []place         // where the walk is
	ordered    bool            // visit members in the order of their names

	// guarded is told every value of a guarded field, wherever it stands.
	guarded func(field, iri string, value any, at func() *place)
}

// subject is the node that a document is about, and where it stands.
type subject struct {
	node node
	has  fieldSet // the fields that it says something in
	at   *place
}

// maxNesting stops the walk of a graph that no decoder with limits lets pass.
const maxNesting = 256

// indexGraph walks all nodes. Where several nodes have one name, what is
// preferred depends on the order of the walk, which must be the same on every
// hub: then, and only then, it is walked again in the order of names.
func indexGraph(p *profile, nodes []map[string]any, guarded func(string, string, any, func() *place)) *graph {
	g := walkGraph(&graph{p: p, guarded: guarded}, nodes)
	if len(g.owned) > 0 {
		g = walkGraph(&graph{p: p, guarded: guarded, ordered: true}, nodes)
	}
	return g
}

func walkGraph(g *graph, nodes []map[string]any) *graph {
	g.byID, g.owned, g.grown = map[string]node{}, map[string]bool{}, map[[2]string]bool{}
	g.services = map[string]bool{}
	root := place{}
	if len(nodes) > 1 {
		root.iri = "/@graph"
	}
	for i, n := range nodes {
		g.stack = append(g.stack[:0], root)
		if len(nodes) > 1 {
			g.stack = append(g.stack, place{i: int32(i), n: int32(len(nodes))})
		}
		g.walk(n, 0, false)
	}
	return g
}

// walk visits n and all nodes in it. Nodes under @graph and @included count as
// beside n, all others as one level below.
func (g *graph) walk(n node, level int, service bool) {
	if len(g.stack) > maxNesting {
		return
	}
	id, _ := n["@id"].(string)
	g.add(id, n)
	g.classify(n, id, level, service)
	if g.ordered {
		for _, iri := range slices.Sorted(maps.Keys(n)) {
			g.member(id, n, iri, n[iri], level, service)
		}
		return
	}
	for iri, v := range n {
		g.member(id, n, iri, v, level, service)
	}
}

// member visits one member of n.
func (g *graph) member(id string, n node, iri string, v any, level int, service bool) {
	switch iri {
	case "@id", "@type", "@index", "@value", "@language", "@direction", "@context":
		return
	case "@graph", "@included":
		g.walkValues(iri, v, level, service)
		return
	case "@reverse":
		g.walkReverse(id, n, v, level)
		return
	}
	prop, field := g.p.property(iri)
	if field != "" {
		g.guard(field, iri, v)
	}
	g.walkValues(iri, v, level+1, prop.service)
}

func (g *graph) walkValues(iri string, v any, level int, service bool) {
	list := asList(v)
	for i, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			continue
		}
		if inner, ok := inList(m); ok {
			g.walkValues(iri, inner, level, service)
			continue
		}
		if _, ok := m["@value"]; ok {
			continue
		}
		if id, ok := m["@id"].(string); ok && service {
			g.services[id] = true
		}
		if len(m) == 1 && m["@id"] != nil {
			continue
		}
		g.stack = append(g.stack, place{iri: iri, i: int32(i), n: int32(len(list))})
		g.walk(m, level, service)
		g.stack = g.stack[:len(g.stack)-1]
	}
}

// walkReverse reads {"@reverse": {p: subjects}}: each subject has n as a value
// of p, so p is added to what is known of the subject.
func (g *graph) walkReverse(id string, n node, v any, level int) {
	rev, ok := v.(map[string]any)
	if !ok {
		return
	}
	known := maps.Clone(n)
	delete(known, "@reverse") // an edge does not lead back to where it came from
	for _, iri := range slices.Sorted(maps.Keys(rev)) {
		subjects := rev[iri]
		g.stack = append(g.stack, place{iri: "@reverse", n: 1})
		g.walkValues(iri, subjects, level+1, false)
		g.stack = g.stack[:len(g.stack)-1]
		if g.p.props[iri].service && id != "" {
			g.services[id] = true
		}
		for _, s := range asList(subjects) {
			if m, ok := s.(map[string]any); ok {
				if sid, ok := m["@id"].(string); ok && sid != "" {
					g.merge(sid, node{"@id": sid, iri: []any{known}})
				}
			}
		}
	}
}

func (g *graph) add(id string, n node) {
	if id == "" {
		return
	}
	if _, ok := g.byID[id]; !ok {
		g.byID[id] = n
		return
	}
	g.merge(id, n)
}

// merge adds n's values to the node called id, in a copy.
func (g *graph) merge(id string, n node) {
	old, ok := g.byID[id]
	if !ok {
		g.byID[id] = n
		return
	}
	if !g.owned[id] {
		old = maps.Clone(old)
		g.byID[id], g.owned[id] = old, true
	}
	for k, v := range n {
		switch k {
		case "@id", "@reverse", "@graph", "@included", "@index":
			continue
		}
		have, ok := old[k]
		if !ok {
			old[k] = v
			continue
		}
		// Appending in place keeps a document of many nodes with one name linear.
		key := [2]string{id, k}
		if list, mine := have.([]any); mine && g.grown[key] {
			old[k] = append(list, asList(v)...)
			continue
		}
		old[k], g.grown[key] = slices.Concat(asList(have), asList(v)), true
	}
}

// merged is all that the graph says about n.
func (g *graph) merged(n node) node {
	if id, ok := n["@id"].(string); ok {
		if m, ok := g.byID[id]; ok {
			return m
		}
	}
	return n
}

// resolve follows a reference to the node that it names.
func (g *graph) resolve(m node) node {
	if len(m) == 1 {
		return g.merged(m)
	}
	return m
}

func (g *graph) classify(n node, id string, level int, service bool) {
	c, clash := g.p.classOf(n)
	if c == classNone || service && level > 0 {
		return
	}
	if level > 0 && c.entry() != vocab.KindOffering {
		return // only a document itself can withdraw or describe a space
	}
	g.candidates = append(g.candidates, candidate{node: n, id: id, class: c, clash: clash, level: level, path: slices.Clone(g.stack)})
}

// classOf is the first class, in order, that n's types name; clash tells that
// they name two kinds of document.
func (p *profile) classOf(n node) (c class, clash bool) {
	for _, t := range asList(n["@type"]) {
		s, ok := t.(string)
		if !ok {
			continue
		}
		k := p.types[s]
		if k == classNone {
			continue
		}
		if c != classNone && k.entry() != c.entry() {
			clash = true
		}
		if c == classNone || k < c {
			c = k
		}
	}
	return c, clash
}

// guard reports the values of a guarded field, wherever they stand.
func (g *graph) guard(field, iri string, v any) {
	list := asList(v)
	for i, item := range list {
		g.guarded(field, iri, item, func() *place {
			return chain(append(slices.Clone(g.stack), place{iri: iri, i: int32(i), n: int32(len(list))}))
		})
	}
}

// property tells what a property is, and which guarded field it fills: by its
// IRI or, for one that means nothing here, by its local name.
func (p *profile) property(iri string) (prop property, guarded string) {
	if iri == "@id" || iri == "@type" {
		return property{}, ""
	}
	prop, known := p.props[iri]
	if known {
		return prop, prop.guarded
	}
	_, local := splitIRI(iri)
	if guarded = p.guarded[local]; guarded == "" && strings.IndexFunc(local, beyondASCII) >= 0 {
		guarded = p.guarded[bare(local)] // a name that only looks right
	}
	if guarded == "" && isSecrecyMember(local) {
		guarded = secrecyField
	}
	return prop, guarded
}

func beyondASCII(r rune) bool { return r > 0x7F }

// asList is v as a list of values: expanded form always has lists, but a
// damaged or hand-made graph may not.
func asList(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}
