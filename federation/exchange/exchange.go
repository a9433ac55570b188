// Package exchange copies logs from hub to hub: five questions, one codec for
// two transports (NATS and HTTPS) and for files, and a Follower that checks all
// it is told before it puts anything into a mirror.
//
// What is believed hangs on the log, never on who hands it over: a checkpoint
// signed with the log's key, leaf records that give its root, documents that
// their leaf records are of, and the proof in each document. So any hub, or a
// file, can be a Source.
//
// It never decides whom to ask, who may ask, or what a document means: it is told
// (see Server and Judge). It never changes a log other than a mirror.
package exchange

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"lianmu/vocab"
)

// Question is one of the five that hubs ask each other, and the last part of its
// NATS subject and HTTP path.
type Question string

// The questions.
const (
	AskLogs       Question = "logs"       // which logs have you, and how far are they? Can wait for news
	AskCheckpoint Question = "checkpoint" // the signed checkpoint of one log
	AskLeaves     Question = "leaves"     // leaf records from..to
	AskDocuments  Question = "documents"  // documents by digest
	AskTile       Question = "tile"       // a hash tile (C2SP tlog-tiles)
)

// Questions lists all there are.
var Questions = []Question{AskLogs, AskCheckpoint, AskLeaves, AskDocuments, AskTile}

// Where questions are asked.
const (
	SubjectPrefix = "lianmu.v1.peer." // + question, NATS
	PathPrefix    = "/api/v1/peer/"   // + question, HTTP POST
)

// Bounds of questions and answers, in bytes where nothing else is said. A single
// document that does not fit an answer is given all the same, alone.
const (
	MaxRequest    = 128 << 10
	MaxAnswer     = 900 << 10 // over NATS, and where the asker does not say what it takes
	MaxAnswerHTTP = 4 << 20   // over HTTPS
	MaxCard       = 16 << 10
	MaxNote       = 4 << 10
	MaxLogs       = 500 // in one request or answer
	MaxLeaves     = 8192
	MaxDocuments  = 2048
	MaxWait       = 30 * time.Second // of a long poll
)

// Asker is a transport: it brings one question to a hub and its answer back, as
// bytes. The answer is as Server.Reply made it, and not checked.
type Asker interface {
	Ask(ctx context.Context, q Question, body []byte) ([]byte, error)
}

// Source is where a log is copied from: a peer (NewClient), or a file
// (OpenBundle). Nothing that it gives is to be believed. Its errors are
// *SourceFault, or those of ctx.
type Source interface {
	// Logs asks which logs there are, and tells who asks. It waits for at most
	// r.WaitMS for something that is not held.
	Logs(ctx context.Context, r LogsRequest) (*LogsAnswer, error)
	// Leaves gives leaf records [from, to), ledger.LeafSize bytes each: at least
	// one, and perhaps fewer than asked for.
	Leaves(ctx context.Context, origin string, from, to uint64) ([]byte, error)
	// Documents gives the documents with these digests in order: at least one,
	// and perhaps fewer than asked for.
	Documents(ctx context.Context, origin string, digests []vocab.Digest) ([]Document, error)
	// Tile gives the tile at a C2SP tlog-tiles path.
	Tile(ctx context.Context, origin, path string) ([]byte, error)
}

// LogsRequest asks which logs a hub has.
type LogsRequest struct {
	Card   json.RawMessage // who asks: its own signed log card
	Held   map[string]Held // by origin, what the asker has; at most MaxLogs
	WaitMS int             // how long to wait for news, at most MaxWait
}

// Held is how far a copy of a log is.
type Held struct {
	Size     uint64 `json:"size"`
	Redacted int    `json:"redacted,omitzero"` // redactions carried out
	// Note is the Mark of the checkpoint that the one who is asked last showed of it,
	// "" for none: it is not shown again.
	Note string `json:"note,omitzero"`
	// Card is the Mark of the card that it last showed of it; a Client fills it in.
	Card string `json:"card,omitzero"`
}

// Mark is what one hub calls a card or a checkpoint by that another has shown to it:
// 16 characters of its digest.
func Mark(shown []byte) string {
	d := vocab.DigestOf(shown)
	return base64.RawURLEncoding.EncodeToString(d[:12])
}

// LogsAnswer tells which logs a hub has: its own first, then those of which the
// asker lacks something, then the others; but those that the asker has all of and
// that were shown to it just so.
type LogsAnswer struct {
	Card json.RawMessage // who answers
	Logs []Offered
}

// Offered is a log that can be had.
type Offered struct {
	Card       json.RawMessage // signed by the log's own hub
	Checkpoint string          // signed note
	Own        bool
	// Err says what is wrong with the form of this one: a *SourceFault. Then there is
	// no Checkpoint, and a Card only where that can be read. A Server has none.
	Err error
}

// DocumentState says what a source gives of a document.
type DocumentState uint8

// States of a document. Zero is none.
const (
	DocumentGiven    DocumentState = 1
	DocumentWithheld DocumentState = 2 // it is there, and not for this reader
	DocumentMissing  DocumentState = 3 // it is not there
	DocumentRedacted DocumentState = 4 // it was deleted, as a redaction in the log says
)

// Document is what a source gives of one document.
type Document struct {
	State DocumentState
	Bytes []byte // of one that is given: 1 to ledger.MaxDocument
}
