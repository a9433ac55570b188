package jsonld

import (
	"errors"
	"math"
	"strconv"
	"time"

	"lianmu/vocab"
)

// work adds up what expanding a document will cost, given what its top-level
// contexts cost.
type work struct {
	meter
	nested  price // contexts written inside the document's nodes
	texts   int   // names and strings that may become IRIs
	objects int
	costly  bool // json-gold parses contexts while it expands
}

// allow refuses a document whose expansion would take more steps than limit
// allows, or more memory, or that names an unknown context anywhere in it.
func allow(object map[string]any, top *bill, topPrice price, l Limits) (*work, error) {
	w := &work{meter: meter{bill: *top, known: knownContext}}
	borrowed := true // the maps of the bill belong to the cache
	find := func(v any) error {
		if borrowed {
			w.bill, borrowed = top.clone(), false
		}
		p, err := w.context(v, "", true)
		w.nested = w.nested.plus(p)
		return err
	}
	if err := w.walk(object, find, true); err != nil {
		return nil, err
	}
	within := w.nested
	if len(w.scoped) > 0 {
		within = within.plus(w.applied(object, price{}))
	}
	w.costly = within != price{}
	if w.costly {
		within.copies += w.objects // type scopes end at each object
	}
	total := within.plus(topPrice)
	chain := float64(2 + w.nulls*l.Depth)
	steps := float64(total.parse) + float64(total.copies)*float64(w.terms)*chain
	if limit := float64(l.Time) / float64(stepTime); steps > limit {
		return nil, refuse("/@context", "limit.work",
			"展开本文档约需 %s，超过上限 %s；请减少带作用域的 @context，或拆分文档。",
			"Expanding the document would take about %s; the limit is %s. Use fewer scoped contexts, or split it.",
			time.Duration(math.Min(steps, 1e12))*stepTime, l.Time)
	}
	longest := 2*w.longIn + w.longBy*l.Depth // a prefix, what it grew by, and a suffix
	if float64(w.texts)*float64(longest) > maxOutputBytes {
		return nil, refuse("/@context", "limit.work",
			"@context 中的 IRI 太长，展开后文档将超过 %d MB。",
			"The IRIs in @context are so long that the expanded document would exceed %d MB.", maxOutputBytes>>20)
	}
	return w, nil
}

func knownContext(address string) *builtin { return builtins()[address] }

// walk visits every context below the document's top level, and counts.
func (w *work) walk(v any, find func(any) error, top bool) error {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			if err := w.walk(e, find, false); err != nil {
				return under(strconv.Itoa(i), err)
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
				if err := find(e); err != nil {
					return under(name, err)
				}
				continue
			}
			if err := w.walk(e, find, false); err != nil {
				return under(name, err)
			}
		}
	default:
		w.texts++
	}
	return nil
}

// under puts a name before the paths of err, on the way up from where it was
// found; the way down is taken for every document and builds none.
func under(name string, err error) error {
	var ps vocab.Problems
	if errors.As(err, &ps) {
		for i := range ps {
			ps[i].Path = "/" + escapePointer(name) + ps[i].Path
		}
	}
	return err
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
