package index

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"

	"lianmu/vocab"
)

// Bounds of what is searchable of one offering; beyond them the rest of a text
// is left out of the index (the document itself keeps it).
const (
	maxTitle       = 500   // runes a language
	maxDescription = 2_000 // runes a language
	maxValue       = 200   // runes of a keyword, name, label or facet value
	maxValues      = 100   // of one field
	maxLanguages   = 8
	maxSummary     = 240  // runes of a description in a hit
	maxID          = 4096 // bytes
)

// record is the stored form of a hit: what the other stored fields do not hold
// already. Texts are kept once, as they are searched, with their languages
// here; names of national codes are not kept at all.
type record struct {
	ID           string                  `json:"i"`
	Space        string                  `json:"s"`
	Hub          string                  `json:"h"`
	Kind         vocab.OfferingKind      `json:"k"`
	Titles       []string                `json:"tl"` // languages of the values of title
	Descriptions []string                `json:"dl,omitempty"`
	Publisher    vocab.Text              `json:"p,omitempty"`
	Modified     time.Time               `json:"m"`
	Received     bool                    `json:"r,omitempty"`
	Position     uint64                  `json:"n"`
	Terms        map[string][]vocab.Term `json:"t,omitempty"`
	Formats      []string                `json:"f,omitempty"`
	Personal     *bool                   `json:"d,omitempty"`
	Policy       bool                    `json:"o,omitempty"`
	Completeness int                     `json:"c"`
	Product      string                  `json:"pr,omitempty"`
	Codes        []string                `json:"pc,omitempty"`
}

// document turns d into bleve's form, field by field: the walk over structs by
// reflection that a bleve mapping does is a good part of its cost.
func (d *Doc) document() (index.Document, error) {
	b := builder{doc: document.NewDocument(string(d.Key[:]))}
	o := d.Offering
	modified, received := modifiedOf(d)
	publisher := cutText(o.Publisher.Name, maxValue)
	rec := record{
		ID: o.ID, Space: d.Space, Hub: d.Hub, Kind: o.Kind, Publisher: publisher, Modified: modified, Received: received, Position: d.Position,
		Terms: map[string][]vocab.Term{}, Personal: o.PersonalData, Policy: o.Policy.Present, Completeness: o.Completeness,
		Product: productOf(d), Codes: productCodes(o),
	}

	// Codes, and the words by which they can be found.
	var names []string
	for _, f := range coded(o) {
		for _, t := range f.terms[:min(len(f.terms), maxValues)] {
			t = vocab.Term{Code: cutBytes(t.Code, maxID), Label: cutText(t.Label, maxValue)}
			for _, v := range facetValues(f.name, t) {
				b.add(f.name, v, counted)
			}
			names = append(names, termNames(f.name, t)...)
			if f.name == "theme" {
				b.suggest(suggestTheme, values(t.Label))
			}
			if maps.Equal(t.Label, labelOf(f.name, t.Code)) {
				t.Label = nil
			}
			rec.Terms[f.name] = append(rec.Terms[f.name], t)
		}
	}
	names = append(names, values(publisher)...)
	b.add("space", d.Space, counted)
	b.add("hub", d.Hub, counted)
	b.add("kind", string(o.Kind), counted)
	b.add("publisher", publisherOf(o), counted)
	b.add("audience", string(audienceOf(d)), counted)
	b.add(fieldVisible, visibleTo(d), exact)
	if o.PersonalData != nil {
		b.add("personal", yesNo(*o.PersonalData), counted)
	}
	for _, v := range policyValues(o.Policy) {
		b.add("policy", v, counted)
	}
	for _, dist := range o.Distributions[:min(len(o.Distributions), maxValues)] {
		if f := cut(dist.Format, maxValue); f != "" && !slices.Contains(rec.Formats, f) {
			rec.Formats = append(rec.Formats, f)
			b.add("format", f, counted)
		}
	}
	names = append(names, rec.Formats...)
	if rec.Product != "" {
		b.add(fieldProduct, fmt.Sprintf("%s\x00%d", rec.Product, min(d.Rank, maxRank)), exact)
	}
	b.add("id", cutBytes(o.ID, maxID), exact)
	for _, c := range slices.Concat([]string{o.RegistrationCode, o.Publisher.Code}, o.Identifiers[:min(len(o.Identifiers), maxValues)]) {
		b.add("code", cutBytes(c, maxID), exact)
	}

	// Words.
	keywords := keywordsOf(o)
	var titles, descriptions []string
	rec.Titles, titles = byLanguage(cutText(o.Title, maxTitle))
	rec.Descriptions, descriptions = byLanguage(cutText(o.Description, maxDescription))
	b.text(fieldTitle, joined(titles))
	b.text(fieldKeyword, joined(keywords))
	b.text(fieldText, joined(descriptions)+string(sectionBreak)+joined(distinct(names)))

	// Order, suggestions, and what a hit shows.
	b.add(fieldTitleKey, folded(cut(o.Title.In("zh"), maxTitle), 64), counted)
	b.add(fieldModified, timeKey(modified), counted)
	b.add(fieldCompleteness, fmt.Sprintf("%03d", max(0, min(o.Completeness, 100))), counted)
	b.suggest(suggestTitle, titles)
	b.suggest(suggestKeyword, keywords)
	b.suggest(suggestPublisher, values(publisher))
	blob, err := json.Marshal(rec)
	if err != nil {
		return nil, fmt.Errorf("index %s: %w", o.ID, err)
	}
	b.bytes(fieldHit, blob)
	b.bytes(fieldDigest, d.Digest[:])
	return b.doc, nil
}

// builder adds fields to a document, each value of a field once.
type builder struct {
	doc  *document.Document
	seen map[[2]string]bool
}

func (b *builder) add(field, value string, options index.FieldIndexingOptions) {
	if value == "" {
		return
	}
	if b.seen == nil {
		b.seen = make(map[[2]string]bool, 64)
	}
	if k := [2]string{field, value}; !b.seen[k] {
		b.seen[k] = true
		b.doc.AddField(document.NewTextFieldCustom(field, nil, []byte(value), options, nil))
	}
}

func (b *builder) text(field, text string) {
	b.doc.AddField(document.NewTextFieldCustom(field, nil, []byte(text), searched, analyzer{}))
}

func (b *builder) bytes(field string, value []byte) {
	b.doc.AddField(document.NewTextFieldCustom(field, nil, value, kept, nil))
}

func (b *builder) suggest(kind byte, texts []string) {
	for _, t := range texts {
		if key := folded(t, maxSuggest); key != "" {
			b.add(fieldSuggest, string(kind)+key, exact)
		}
	}
}

// namedTerms are the coded values of one field.
type namedTerms struct {
	name  string
	terms []vocab.Term
}

func coded(o *vocab.Offering) []namedTerms {
	one := func(t vocab.Term) []vocab.Term {
		if t.Code == "" && len(t.Label) == 0 {
			return nil
		}
		return []vocab.Term{t}
	}
	return []namedTerms{
		{"theme", o.Themes}, {"scene", o.Scenes}, {"industry", o.Industry}, {"region", o.Region},
		{"form", one(o.Form)}, {"frequency", one(o.Frequency)}, {"level", one(o.Level)},
		{"quality", one(o.Quality)}, {"registration", one(o.Registration)},
	}
}

// modifiedOf is when the offering last changed, by its own word or else by when
// it came, which received tells.
func modifiedOf(d *Doc) (t time.Time, received bool) {
	for _, t := range []time.Time{d.Offering.Modified, d.Offering.Issued} {
		if !t.IsZero() {
			return t.UTC(), false
		}
	}
	return d.ReceivedAt.UTC(), true
}

// yearZero is the origin of timeKey; what lies before it counts as it.
var yearZero = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)

// timeKey sorts as text like t does in time: milliseconds since year 0.
func timeKey(t time.Time) string {
	ms := max(t.UnixMilli()-yearZero.UnixMilli(), 0)
	return fmt.Sprintf("%015d", min(ms, 999_999_999_999_999))
}

// visibleTo is the one term by which an offering is seen or not: everyone, or
// the DID of its space. It fails closed.
func visibleTo(d *Doc) string {
	if audienceOf(d) == vocab.AudiencePublic {
		return publicTerm
	}
	return d.Space
}

// visibleTerms are the terms of fieldVisible that a reader may see; all where
// nothing is kept from them.
func visibleTerms(r vocab.Reader) (terms []string, all bool) {
	if r.All {
		return nil, true
	}
	terms = append([]string{publicTerm}, r.Spaces...)
	slices.Sort(terms)
	return slices.Compact(terms), false
}

// audienceOf fails closed.
func audienceOf(d *Doc) vocab.Audience {
	switch d.Audience {
	case vocab.AudiencePublic, vocab.AudienceRecognised:
		return d.Audience
	}
	return vocab.AudienceSpace
}

func publisherOf(o *vocab.Offering) string {
	if name := o.Publisher.Name.In("zh"); name != "" {
		return cut(name, maxValue)
	}
	return cutBytes(o.Publisher.ID, maxValue)
}

// maxRank is the last Doc.Rank that is told apart.
const maxRank = 9

// productOf leaves out what is no code: cut short it could pass for another.
func productOf(d *Doc) string {
	if len(d.Product) > maxID {
		return ""
	}
	return d.Product
}

// productCodes are those of the identifiers that have the form of a product's.
func productCodes(o *vocab.Offering) (codes []string) {
	for _, c := range o.Identifiers[:min(len(o.Identifiers), maxValues)] {
		if vocab.CheckProduct(c) == nil && !slices.Contains(codes, c) {
			codes = append(codes, c)
		}
	}
	return codes
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// policyValues are the permitted actions, "unspecified" for a policy that
// names none, and "none" without a policy.
func policyValues(p vocab.Policy) []string {
	switch {
	case !p.Present:
		return []string{"none"}
	case len(p.Actions) == 0:
		return []string{"unspecified"}
	}
	actions := make([]string, 0, len(p.Actions))
	for _, a := range p.Actions[:min(len(p.Actions), maxValues)] {
		actions = append(actions, cut(a, maxValue))
	}
	return actions
}

func keywordsOf(o *vocab.Offering) []string {
	var all []string
	langs := make([]string, 0, len(o.Keywords))
	for l := range o.Keywords {
		langs = append(langs, l)
	}
	slices.Sort(langs)
	for _, l := range langs[:min(len(langs), maxLanguages)] {
		for _, k := range o.Keywords[l][:min(len(o.Keywords[l]), maxValues)] {
			all = append(all, cut(k, maxValue))
		}
	}
	return distinct(all)
}

// byLanguage are the texts of all languages with their tags, Chinese and
// English first.
func byLanguage(t vocab.Text) (tags, texts []string) {
	for _, l := range slices.Concat([]string{"zh", "en"}, t.Languages()) {
		if t[l] != "" && !slices.Contains(tags, l) && len(tags) < maxLanguages {
			tags, texts = append(tags, l), append(texts, t[l])
		}
	}
	return tags, texts
}

// values are the different texts of all languages.
func values(t vocab.Text) []string {
	_, texts := byLanguage(t)
	return distinct(texts)
}

// joined makes one field of several values, split undoes it.
func joined(values []string) string { return strings.Join(values, string(valueBreak)) }

func split(field string) []string {
	if field == "" {
		return nil
	}
	return strings.Split(field, string(valueBreak))
}

func distinct(all []string) []string {
	out := make([]string, 0, len(all))
	seen := make(map[string]bool, len(all))
	for _, s := range all {
		if s != "" && !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// cutText bounds every language; the same text where nothing is cut.
func cutText(t vocab.Text, runes int) vocab.Text {
	if len(t) == 0 {
		return nil
	}
	out := make(vocab.Text, len(t))
	for l, s := range t {
		out[l] = cut(s, runes)
	}
	return out
}

// cut keeps the first runes of s, without the separators of stored fields.
func cut(s string, runes int) string {
	if len(s) > runes {
		n := 0
		for i := range s {
			if n == runes {
				s = s[:i]
				break
			}
			n++
		}
	}
	if strings.ContainsAny(s, "\x1e\x1f") || !utf8.ValidString(s) {
		s = strings.Map(func(r rune) rune {
			if r == valueBreak || r == sectionBreak {
				return ' '
			}
			return r
		}, s)
	}
	return strings.TrimSpace(s)
}

// cutBytes bounds an identifier; a longer one would be found by nobody anyway.
func cutBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
