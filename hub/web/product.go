package web

import (
	"slices"

	"lianmu/hub/view"
	"lianmu/vocab"
)

// product is what else gives the product code that an offering gives.
type product struct {
	Code     string
	Same     []listing // of the same product: each by its provider
	More     int       // of those that are not in Same
	Disputed []listing // 标识冲突: not both are known to be the provider's
	All      string    // link to all of them
}

// productShown is how many offerings are looked at that give a code.
const productShown = 50

// product looks for what else gives an offering's product code. Where that fails
// the page does without.
func (s *Site) product(q *request, d *view.Detail, names names) *product {
	i := slices.IndexFunc(d.Offering.Identifiers, func(c string) bool { return vocab.CheckProduct(c) == nil })
	if i < 0 {
		return nil
	}
	p := &product{Code: d.Offering.Identifiers[i], All: codeURL(d.Offering.Identifiers[i])}
	a, err := s.config.Catalog.Find(q.Context(), view.Question{Filter: []string{filter{"code", p.Code}.String()}, Limit: productShown, Stale: true, Reader: q.reader})
	if err != nil {
		s.config.Logger.Warn("what else gives a product code is not known", "error", err)
		return nil
	}
	for _, h := range a.Hits {
		if !slices.Contains(h.Codes, p.Code) {
			continue // it gives it as something else
		}
		self := view.Listing{SpaceName: h.SpaceName, State: h.State}
		self.ID, self.Space, self.Hub = h.ID, h.Space, h.Hub
		together := append([]view.Listing{self}, h.Listings...)
		others := slices.DeleteFunc(slices.Clone(together), func(l view.Listing) bool { return l.Space == d.Space && l.ID == d.Offering.ID })
		if len(others) < len(together) {
			p.Same = q.t.listings(d.Space, d.Hub, others, names)
			p.More = max(h.Others-len(others), 0)
		} else {
			p.Disputed = append(p.Disputed, q.t.listings(d.Space, d.Hub, together, names)...)
		}
	}
	if len(p.Same)+len(p.Disputed) == 0 {
		return nil
	}
	return p
}
