package view

import (
	"lianmu/federation/ledger"
	"lianmu/federation/registry"
	"lianmu/vocab"
)

// Feed is a log that the catalogue shows: the hub's own, or a mirror.
type Feed struct {
	Log      *ledger.Log
	Registry *registry.Registry // fold of that log alone; the index never goes beyond it
	HubDID   string
	Fallback vocab.Audience // of what says neither audience nor level and whose space says nothing either
}
