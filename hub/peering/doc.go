// Package peering decides with which hubs this one exchanges logs, on what terms,
// and how far each mirror is: it keeps the peers and the mirrored logs, dials the
// peers, copies what they offer from whoever has it, judges how silent a log is,
// and answers the same questions of theirs.
//
// A log is believed by its origin's key alone, whoever handed it on; what a peer
// says about anybody else's log counts for nothing. Nothing here checks a tree or
// a signature: that is federation/ledger, exchange and judge. Officers decide; it
// never approves a peer, a second epoch or a contradiction by itself.
//
// The store is declarative: what should run is what the bucket says, and one
// goroutine brings links and mirrors there, after an act of an officer as after a
// restart in the middle of one.
package peering
