// Package web is the hub's pages: search, offering, space, start, in Chinese
// and English; html/template, styles and small scripts, embedded. It works
// without scripts.
//
// It decides nothing and stores nothing.
package web

import (
	"context"
	"log/slog"
	"net/http"

	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

// Catalog is what the pages show.
type Catalog interface {
	Find(ctx context.Context, q view.Question) (*view.Answer, error)
	Suggest(ctx context.Context, prefix string, audiences []vocab.Audience, limit int) ([]index.Suggestion, error)
	Offering(ctx context.Context, space, id string, audiences []vocab.Audience) (*view.Detail, error)
	Spaces(ctx context.Context) []view.SpaceSummary
}

// Config is what the pages need.
type Config struct {
	Catalog   Catalog
	Audiences func(*http.Request) []vocab.Audience
	HubDID    string
	Demo      bool // show the start page's hints and 演示数据 banner
	Logger    *slog.Logger
}

// New returns a handler for "/", "/offering", "/spaces", "/about" and
// "/static/". Anything else is its 404 page.
func New(c Config) (http.Handler, error) { panic("pending") }
