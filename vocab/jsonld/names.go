package jsonld

import (
	"strings"

	"github.com/piprate/json-gold/ld"
)

// Name returns what the document calls a property, given its expanded IRI, so
// that faults can be named by the writer's own words; "" where it does not
// tell. Where it has several names, the one of the first top-level node
// stands, else the one nearest to the top, else the first in order of bytes.
//
// Names are collected at the first call, at the price of looking at every
// member once: most documents never need them. In a document whose own
// contexts are costly only the first top-level node's are.
func (g *Graph) Name(iri string) string {
	g.collect.Do(func() { g.names = g.collectAll() })
	return g.names[iri]
}

func (g *Graph) collectAll() map[string]string {
	if g.active == nil || len(g.Nodes) == 0 {
		return nil
	}
	found := make(map[string]string, len(g.Nodes[0]))
	_, err := contained(func() (any, error) {
		collectNames(g.active, g.source, g.Nodes[0], found, 0)
		if !g.costly {
			collectBelow(g.active, g.source, found)
		}
		return nil, nil
	})
	if err != nil {
		return nil
	}
	return found
}

// collectBelow adds the names of all members, level by level. There are no
// contexts but the document's, so a name means the same wherever it stands.
func collectBelow(active *ld.Context, source map[string]any, found map[string]string) {
	known := make(map[string]bool)
	for level := []any{source}; len(level) > 0; {
		var below []any
		here := map[string]string{}
		for _, v := range level {
			switch v := v.(type) {
			case []any:
				below = append(below, v...)
			case map[string]any:
				for name, e := range v {
					below = append(below, e)
					if known[name] || strings.HasPrefix(name, "@") {
						continue
					}
					known[name] = true
					iri, err := active.ExpandIri(name, false, true, nil, nil)
					if err != nil || iri == "" {
						continue
					}
					if other, has := here[iri]; !has || name < other {
						here[iri] = name
					}
				}
			}
		}
		for iri, name := range here {
			if _, has := found[iri]; !has {
				found[iri] = name
			}
		}
		level = below
	}
}

// collectNames finds out which member of source became which property of node.
// Where it cannot tell, it leaves the property out.
func collectNames(active *ld.Context, source, node map[string]any, found map[string]string, depth int) {
	if local, has := source["@context"]; has {
		if c, err := active.Parse(local); err == nil {
			active = c
		}
	}
	active = typeScoped(active, source)
	for name, v := range source {
		iri, err := active.ExpandIri(name, false, true, nil, nil)
		if err != nil {
			continue
		}
		switch iri {
		case "@nest":
			for _, e := range ld.Arrayify(v) {
				if m, isMap := e.(map[string]any); isMap && depth < DefaultDepth {
					collectNames(active, m, node, found, depth+1)
				}
			}
		case "@graph":
			if _, named := node["@graph"]; named || depth > 0 {
				continue
			}
			for _, e := range ld.Arrayify(v) {
				if m, isMap := e.(map[string]any); isMap && len(m) > 1 {
					collectNames(active, m, node, found, depth+1)
					break
				}
			}
		default:
			if _, has := node[iri]; !has {
				continue
			}
			// Of two names for one property, the same one on every run.
			if other, has := found[iri]; !has || name < other {
				found[iri] = name
			}
		}
	}
}

// typeScoped applies the contexts that belong to the types of source.
func typeScoped(active *ld.Context, source map[string]any) *ld.Context {
	result := active
	for name, v := range source {
		if iri, err := active.ExpandIri(name, false, true, nil, nil); err != nil || iri != "@type" {
			continue
		}
		for _, t := range ld.Arrayify(v) {
			s, _ := t.(string)
			if td := active.GetTermDefinition(s); td != nil && td.HasContext {
				if c, err := result.Parse(td.Context); err == nil {
					result = c
				}
			}
		}
	}
	return result
}
