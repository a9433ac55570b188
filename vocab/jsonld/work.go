package jsonld

import (
	"fmt"
	"math"
	"time"
)

// work adds up what expanding a document will cost, given what its top-level
// contexts cost.
type work struct {
	meter
	nested  price // contexts written inside the document's nodes
	texts   int   // names and strings that may become IRIs
	objects int
}

// allow refuses a document whose expansion would take more steps than limit
// allows, or more memory, or that names an unknown context anywhere in it.
func allow(object map[string]any, top *bill, topPrice price, l Limits) (*work, error) {
	w := &work{meter: meter{bill: *top, known: knownContext}}
	borrowed := true // the maps of the bill belong to the cache
	find := func(v any, path string) error {
		if borrowed {
			w.bill, borrowed = top.clone(), false
		}
		p, err := w.context(v, path, true)
		w.nested = w.nested.plus(p)
		return err
	}
	if err := w.walk(object, "", find, true); err != nil {
		return nil, err
	}
	total := w.nested.plus(topPrice)
	steps := 0.0
	chain := float64(2 + w.nulls*l.Depth)
	if len(w.scoped) > 0 {
		total = total.plus(w.applied(object, price{}))
		steps += float64(w.objects) * float64(w.terms) * chain // type scopes end at each object
	}
	steps += float64(total.parse) + float64(total.copies)*float64(w.terms)*chain
	if limit := float64(l.Time) / float64(stepTime); steps > limit {
		return nil, refuse("/@context", "limit.work",
			"展开本文档约需 %s，超过上限 %s；请减少带作用域的 @context，或拆分文档。",
			"Expanding the document would take about %s; the limit is %s. Use fewer scoped contexts, or split it.",
			time.Duration(math.Min(steps, 1e12))*stepTime, l.Time)
	}
	longest := w.longIn + w.longBy*l.Depth
	if float64(w.texts)*float64(longest) > maxOutputBytes {
		return nil, refuse("/@context", "limit.work",
			"@context 中的 IRI 太长，展开后文档将超过 %d MB。",
			"The IRIs in @context are so long that the expanded document would exceed %d MB.", maxOutputBytes>>20)
	}
	return w, nil
}

// costly reports whether json-gold parses contexts while it expands.
func (w *work) costly() bool { return len(w.scoped) > 0 || w.nested.parse > 0 || w.nested.copies > 0 }

func knownContext(address string) *builtin { return builtins()[address] }

// walk visits every context below the document's top level, and counts.
func (w *work) walk(v any, path string, find func(any, string) error, top bool) error {
	switch v := v.(type) {
	case string:
		w.texts++
	case []any:
		for i, e := range v {
			switch e.(type) {
			case map[string]any, []any:
				if err := w.walk(e, fmt.Sprintf("%s/%d", path, i), find, false); err != nil {
					return err
				}
			default:
				w.texts++
			}
		}
	case map[string]any:
		w.objects++
		w.texts += len(v)
		literal := v["@type"] == "@json"
		for name, e := range v {
			switch {
			case name == "@context" && top, name == "@value" && literal:
				continue
			case name == "@context":
				if err := find(e, path+"/@context"); err != nil {
					return err
				}
				continue
			}
			switch e.(type) {
			case map[string]any, []any:
				if err := w.walk(e, path+"/"+escapePointer(name), find, false); err != nil {
					return err
				}
			default:
				w.texts++
			}
		}
	}
	return nil
}

// applied counts, from above, how often scoped contexts are parsed: once for a
// member whose name has one, once for every object in such a member (aliases of
// @set, @list, @included and the keys of maps may stand between), and once for
// every type that has one, under whatever name @type goes.
func (w *work) applied(v any, inherited price) price {
	var total price
	switch v := v.(type) {
	case string:
		return w.scoped[v]
	case []any:
		for _, e := range v {
			total = total.plus(w.applied(e, inherited))
		}
	case map[string]any:
		total = inherited
		for name, e := range v {
			if name == "@context" {
				continue
			}
			p := w.scoped[name]
			total = total.plus(p).plus(w.applied(e, inherited.worse(p)))
		}
	}
	return total
}
