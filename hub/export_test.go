package hub

import (
	"context"

	"lianmu/hub/bus"
	"lianmu/hub/view"
)

// Find asks the catalogue as whoever q.Reader is.
func (h *Hub) Find(ctx context.Context, q view.Question) (*view.Answer, error) {
	return h.searches.Find(ctx, q)
}

// Bus is the hub's own connection to its store.
func (h *Hub) Bus() *bus.Bus { return h.base.bus }
