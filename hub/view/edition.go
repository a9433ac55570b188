package view

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"lianmu/index"
	"lianmu/index/query"
	"lianmu/vocab"
)

// Notes of an index say what its documents were made of. What the index does not
// say stands at its default: a cursor at 0, nothing purged.
const (
	noteFallback   = "fallback"  // what the hub's own default audience was
	noteFallbackOf = "fallback " // + origin: likewise, of a mirror
	noteLogs       = "logs"      // origins of the mirrors that it has something of, one a line
	noteCursor     = "cursor "   // + origin of a mirror: how many of its entries were applied
	notePurged     = "purged "   // + origin: redactions of which no word is in its files
	noteDue        = "purge due" // a log was taken out of the index
	noteSpace      = "space "    // + DID: see Catalog.basis
	noteShared     = "shared "   // + DID: the own log knows the space, and a mirror does
	noteProviders  = "providers" // see providers
	noteConsents   = "consents"  // see consents
)

// edition is an index with what it notes of the logs that it was made of. A
// rebuild makes another edition. One goroutine writes; any may ask.
type edition struct {
	*index.Index

	mu        sync.Mutex
	cursors   map[string]uint64 // of mirrors, by origin; every log noted has one
	providers providers         // owned by whoever writes, as are consents
	consents  consents
}

// newEdition reads what the index notes.
func newEdition(ix *index.Index) (*edition, error) {
	e := &edition{Index: ix, cursors: map[string]uint64{}}
	logs, err := ix.Note(noteLogs)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errIndex, err)
	}
	for origin := range strings.Lines(logs) {
		origin = strings.TrimSuffix(origin, "\n")
		text, err := ix.Note(noteCursor + origin)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errIndex, err)
		}
		n := uint64(0)
		if text != "" {
			if n, err = strconv.ParseUint(text, 10, 64); err != nil {
				return nil, fmt.Errorf("%w: how far log %s was applied: %w", errIndex, origin, err)
			}
		}
		e.cursors[origin] = n
	}
	text, err := ix.Note(noteProviders)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errIndex, err)
	}
	if e.providers, err = readProviders(text); err != nil {
		return nil, fmt.Errorf("%w: what it notes of providers: %w", errIndex, err)
	}
	if text, err = ix.Note(noteConsents); err != nil {
		return nil, fmt.Errorf("%w: %w", errIndex, err)
	}
	e.consents = readConsents(text)
	return e, nil
}

// warm searches once, so that nobody waits for what the first search after a start
// has to look for in all of the index: which listings are of one product.
func (e *edition) warm(ctx context.Context) error {
	_, err := e.Search(ctx, index.Request{Query: query.All{}, Collapse: true, Limit: 1})
	return err
}

// at is how many entries of a log were applied.
func (e *edition) at(f *feed) uint64 {
	if f.own {
		return e.Cursor()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cursors[f.origin]
}

// mirrors are the origins of the mirrors that the index has something of, sorted.
func (e *edition) mirrors() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]string, 0, len(e.cursors))
	for origin := range e.cursors {
		all = append(all, origin)
	}
	slices.Sort(all)
	return all
}

// write applies documents and notes that move no cursor.
func (e *edition) write(ctx context.Context, puts []index.Doc, deletes []vocab.Key, notes map[string]string) error {
	if err := e.ApplyNoting(ctx, puts, deletes, notes, e.Cursor()); err != nil {
		return fmt.Errorf("%w: %w", errIndex, err)
	}
	return nil
}

// drop deletes offerings.
func (e *edition) drop(ctx context.Context, keys []vocab.Key) error {
	for part := range slices.Chunk(keys, chunk) {
		if err := e.write(ctx, nil, part, nil); err != nil {
			return err
		}
	}
	return nil
}

// advance applies the entries of a log up to to: documents, notes and cursor in
// one batch.
func (e *edition) advance(ctx context.Context, f *feed, puts []index.Doc, deletes []vocab.Key, notes map[string]string, to uint64) error {
	if notes == nil {
		notes = map[string]string{}
	}
	e.note(notes)
	cursor := to
	if !f.own {
		cursor = e.Cursor()
		notes[noteCursor+f.origin] = strconv.FormatUint(to, 10)
		if known := e.mirrors(); !slices.Contains(known, f.origin) {
			notes[noteLogs] = lines(append(known, f.origin))
		}
	}
	if err := e.ApplyNoting(ctx, puts, deletes, notes, cursor); err != nil {
		return fmt.Errorf("%w: log %s up to entry %d: %w", errIndex, f.origin, to, err)
	}
	e.noted()
	if !f.own {
		e.mu.Lock()
		e.cursors[f.origin] = to
		e.mu.Unlock()
	}
	return nil
}

// forget takes what is left of a mirror out of the index, and that the index
// knew it. The files hold its words until the index is built anew, which is then
// due (see Catalog.PurgeDue).
func (e *edition) forget(ctx context.Context, origin string) error {
	held, err := e.Holding(ctx, map[string]string{"hub": origin})
	if err != nil {
		return fmt.Errorf("%w: %w", errIndex, err)
	}
	keys := make([]vocab.Key, 0, len(held))
	for k := range held {
		keys = append(keys, k)
	}
	if err := e.drop(ctx, keys); err != nil {
		return err
	}
	left := slices.DeleteFunc(e.mirrors(), func(o string) bool { return o == origin })
	if err := e.write(ctx, nil, nil, map[string]string{
		noteLogs: lines(left), noteCursor + origin: "", notePurged + origin: "", noteDue: "yes",
	}); err != nil {
		return err
	}
	e.mu.Lock()
	delete(e.cursors, origin)
	e.mu.Unlock()
	return nil
}

// lines writes one text a line.
func lines(texts []string) string {
	var b strings.Builder
	for _, t := range texts {
		b.WriteString(t)
		b.WriteByte('\n')
	}
	return b.String()
}
