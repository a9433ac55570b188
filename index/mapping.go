package index

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	index "github.com/blevesearch/bleve_index_api"
)

// The mapping is static: a document has these fields and no others.

// Fields that words are searched in, best first. They are stored as indexed
// (values joined by valueBreak), for phrases and highlights.
const (
	fieldTitle   = "title"   // titles in all languages
	fieldKeyword = "keyword" // keywords in all languages
	fieldText    = "text"    // descriptions, sectionBreak, names and labels
)

// Fields that serve one purpose each.
const (
	fieldSuggest      = "suggest"      // kind byte and folded text; terms only
	fieldTitleKey     = "title_key"    // folded title, for order
	fieldModified     = "modified"     // milliseconds since year 0, 15 digits, for order
	fieldCompleteness = "completeness" // three digits, for order
	fieldHit          = "hit"          // JSON of Hit; stored only
	fieldDigest       = "digest"       // 32 bytes; stored only
	fieldProduct      = "product"      // Doc.Product and, after a NUL, Doc.Rank; terms only
)

// Options of the fields. Frequencies and lengths are kept only where they make
// a score, column values only where something is counted or put in order, and
// term vectors nowhere: they cost 28% of indexing, and phrases are verified
// against the stored text instead.
const (
	searched = index.IndexField | index.StoreField
	counted  = index.IndexField | index.DocValues | index.SkipFreqNorm
	exact    = index.IndexField | index.SkipFreqNorm
	kept     = index.StoreField
)

// textField is a field in which words are searched.
type textField struct {
	name   string
	boost  float64
	length int
}

// textFields with the weight of a match and the nominal length that BM25
// compares with. bleve would take the number of distinct terms for the average
// length, so that scores would depend on how long the index has been growing.
var textFields = []textField{
	{fieldTitle, 6, 20},
	{fieldKeyword, 3, 15},
	{fieldText, 1, 250},
}

// facetFields can be counted and filtered by.
var facetFields = []string{
	"space", "hub", "kind", "theme", "scene", "industry", "region", "form", "frequency", "level",
	"quality", "registration", "publisher", "format", "audience", "personal", "policy",
}

// exactFields can be filtered by.
var exactFields = []string{"id", "code"}

// fieldVisible says who may see an offering (see visibleTo). Nobody can filter
// by it or count it.
const fieldVisible = "visible"

// publicTerm is what fieldVisible holds of a public offering. No DID is so short.
const publicTerm = "*"

// FacetFields are the fields that Request.Facets may name.
func FacetFields() []string { return slices.Clone(facetFields) }

// analysisVersion rises with every change of what a field holds or how text is
// cut that the table of fields does not show.
const analysisVersion = 5

// fingerprint tells mappings apart.
func fingerprint() []byte {
	h := sha256.New()
	fmt.Fprintln(h, analysisVersion, strings.Join(facetFields, " "), strings.Join(exactFields, " "))
	fmt.Fprintln(h, searched, counted, exact, kept, maxWord, maxDescription, maxTitle, maxValue)
	for _, f := range textFields {
		fmt.Fprintln(h, f.name)
	}
	return h.Sum(nil)
}
