package view

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"lianmu/federation/registry"
	"lianmu/vocab"
)

// providersEvery is how often it is asked anew whether organisations are
// participants, and which consents are in force: they come, go, and expire without
// an entry.
const providersEvery = 5 * time.Second

// Ranks of listings that are shown as one: who the product's own listing is from
// leads.
const (
	byOperator    = iota // the 主体 operates the space
	byParticipant        // it takes part in the space
	byConsent            // it lets the space list
	byNobody
)

// product returns under which name an offering is shown together with other
// listings of the same product, and its rank among them: the 数据标识码 and the log
// whose word it is that the 主体 in the code is the provider of this listing, or
// lets the space list. Else anybody could put his listing into somebody else's by
// copying its code; and as a hub can write into its own log that anybody takes part
// in its spaces or has consented, one log's word makes its own listings one, and
// those that the 主体 lets others list, and never takes a listing from another log
// that knows its provider itself. The own log's consent goes before all that. What
// several others' consents claim belongs to none of them. "" for none.
func (cat *Catalog) product(e *edition, space string, o *vocab.Offering) (name string, rank uint8) {
	code := productCode(o)
	if code == "" {
		return "", 0
	}
	s, _ := cat.c.Union.Space(space)
	if s.Standing != registry.Admitted {
		return "", 0
	}
	by, own := cat.provider(e, s, o, code[1:19]), cat.own.origin
	logs := cat.consents(e).permit(code, space)
	switch {
	case by != byNobody && (s.Log == own || !slices.Contains(logs, own)):
		return listingOf(code, s.Log), by
	case slices.Contains(logs, own):
		return listingOf(code, own), byConsent
	case slices.Contains(logs, s.Log):
		return listingOf(code, s.Log), byConsent
	case len(logs) == 1:
		return listingOf(code, logs[0]), byConsent
	}
	return "", 0
}

// listingOf is the name of a product by the word of a log.
func listingOf(code, log string) string { return code + " " + log }

// codeOf is the code in such a name.
func codeOf(name string) string {
	code, _, _ := strings.Cut(name, " ")
	return code
}

// provider tells by what a space has verified that a 主体 is the provider of its
// listing: he is its operator or a participant, and the listing names nobody else.
func (cat *Catalog) provider(e *edition, s registry.SpaceState, o *vocab.Offering, subject string) uint8 {
	provider := o.Publisher.Code
	if provider == "" {
		provider = s.Space.Operator.Code
	}
	switch {
	case provider != subject:
		return byNobody
	case s.Decided.IsZero(): // an open hub admitted it, where anybody may claim any organisation's code
		return byNobody
	case s.Space.Operator.Code == subject: // if it ever changes: see basis
		return byOperator
	}
	verified := cat.verifies(s.Space.DID, subject)
	e.providers.set(s.Space.DID, subject, verified)
	if verified {
		return byParticipant
	}
	return byNobody
}

// productCode is the 数据标识码 that an offering gives; "" for none.
func productCode(o *vocab.Offering) string {
	i := slices.IndexFunc(o.Identifiers, func(c string) bool { return vocab.CheckProduct(c) == nil })
	if i < 0 {
		return ""
	}
	return o.Identifiers[i]
}

// verifies reports whether an organisation is a valid participant of a space by
// the word of its home.
func (cat *Catalog) verifies(space, code string) bool {
	return slices.Contains(cat.c.Union.SpacesOfOrganisation(code, cat.c.Now()), space)
}

// providers remembers, of every organisation that a listing named as its provider
// and whose product code it gave, whether its space had it as a participant when
// the listing was indexed. Whoever writes to the index owns it.
type providers struct {
	known   map[string]map[string]bool // space → code
	changed bool                       // since it was noted
}

func readProviders(note string) (providers, error) {
	p := providers{known: map[string]map[string]bool{}}
	if note == "" {
		return p, nil
	}
	return p, json.Unmarshal([]byte(note), &p.known)
}

func (p *providers) set(space, code string, verified bool) {
	of := p.known[space]
	if of == nil {
		of = map[string]bool{}
		p.known[space] = of
	}
	if was, known := of[code]; !known || was != verified {
		of[code] = verified
		p.changed = true
	}
}

// note puts what is remembered among the notes of a batch, where it has changed.
func (p *providers) note(notes map[string]string) {
	if !p.changed {
		return
	}
	text, err := json.Marshal(p.known)
	if err != nil { // strings and booleans
		panic(err)
	}
	notes[noteProviders] = string(text)
}

// note puts what listings were judged by among the notes of a batch, where it has
// changed.
func (e *edition) note(notes map[string]string) {
	e.providers.note(notes)
	e.consents.note(notes)
}

// noted tells that the batch was applied.
func (e *edition) noted() { e.providers.changed, e.consents.changed = false, false }

// reverify reads the listings again whose provider has become a participant of
// their space, or is none any more, and those of products for which other consents
// are in force.
func (cat *Catalog) reverify(ctx context.Context, e *edition) error {
	now := cat.c.Now()
	if now.Sub(cat.verifiedAt) < providersEvery {
		return nil
	}
	cat.verifiedAt = now
	for space, codes := range e.providers.known {
		if _, ok := cat.c.Union.Space(space); !ok { // its log is not attached, or not yet
			continue
		}
		for code, was := range codes {
			is := cat.verifies(space, code)
			if is == was {
				continue
			}
			if err := cat.readAgain(ctx, e, map[string]string{"space": space, "code": code}); err != nil {
				return err
			}
			e.providers.set(space, code, is) // also where nothing names it any more
		}
	}
	return cat.reconsent(ctx, e, now)
}

// readAgain reads the listings again whose fields in the index have these values.
func (cat *Catalog) readAgain(ctx context.Context, e *edition, values map[string]string) error {
	held, err := e.Holding(ctx, values)
	if err != nil {
		return fmt.Errorf("%w: %w", errIndex, err)
	}
	positions := map[*feed][]uint64{}
	var gone []vocab.Key // of logs that are not attached: they come when those are
	for k := range held {
		v, ok := cat.c.Union.Version(k)
		f := cat.feed(v.Log)
		switch {
		case !ok || f == nil:
			gone = append(gone, k)
		case v.Position < e.at(f):
			positions[f] = append(positions[f], v.Position)
		}
	}
	if err := e.drop(ctx, gone); err != nil {
		return err
	}
	for f, at := range positions {
		if err := cat.again(ctx, e, f, at); err != nil {
			return err
		}
	}
	return nil
}
