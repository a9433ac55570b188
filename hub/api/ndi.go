package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"

	"lianmu/hub/access"
	"lianmu/hub/view"
	"lianmu/vocab"
)

// The national catalogue query (NDI-TR-2025, 互联互通 annex A). The annex gives
// the members of request and answer and the ranges of codes, but no path, no
// single codes below 10000, and no HTTP status. Ours: the paths below; the
// codes of this table, kept in docs/ndi.md; HTTP 200 for whatever the caller
// can act on by its code, 500 or 503 for 12xxx, so that gateways see them.
const (
	ndiOK         = 10000
	ndiBadBody    = 11001 // not JSON, or not an object
	ndiBadValue   = 11002 // a member's type or range
	ndiMissing    = 11003 // a member is missing
	ndiTooLarge   = 11004
	ndiInternal   = 12001
	ndiTryAgain   = 12002
	ndiNoProduct  = 13001
	ndiLimit      = 20 // entries a page where the caller does not say
	ndiMaxKeyword = 500
)

// ndiAnswer is the envelope of both answers.
type ndiAnswer struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

// ndiPage is the data of a query.
type ndiPage struct {
	Total   uint64       `json:"total"`
	Results []ndiProduct `json:"resultData"`
}

// ndiProduct is one product. The first three members are the annex's, with
// its spelling; description is the same text spelt right, the rest is ours.
type ndiProduct struct {
	ProductID   string `json:"productId"`
	ProductName string `json:"productName"`
	Dscription  string `json:"dscription"`
	Description string `json:"description"`
	ProductType string `json:"productType"`
	Provider    string `json:"providerName,omitempty"`
	SpaceID     string `json:"spaceId"`
	SpaceName   string `json:"spaceName,omitempty"`
	UpdateTime  string `json:"updateTime,omitempty"` // RFC 3339
}

// ndiDetailed is the data of a detail.
type ndiDetailed struct {
	ndiProduct
	ProviderCode       string     `json:"providerCode,omitempty"`
	Keywords           []string   `json:"keywords,omitempty"`
	Themes             []ndiCoded `json:"themes,omitempty"`
	Industries         []ndiCoded `json:"industries,omitempty"`
	Regions            []ndiCoded `json:"regions,omitempty"`
	DeliveryForm       *ndiCoded  `json:"deliveryForm,omitempty"`
	UpdateFrequency    *ndiCoded  `json:"updateFrequency,omitempty"`
	SecurityLevel      *ndiCoded  `json:"securityLevel,omitempty"`
	RegistrationStatus *ndiCoded  `json:"registrationStatus,omitempty"`
	OfferingID         string     `json:"offeringId"` // the document's @id
}

// ndiCoded is a value of a national code list, or free text without a code.
type ndiCoded struct {
	Code string `json:"code,omitempty"`
	Name string `json:"name"`
}

// ndiQuery takes {keywords, order, offset, limit}, all optional.
func (a *api) ndiQuery(w http.ResponseWriter, r *http.Request) error {
	var ask struct {
		Keywords *string `json:"keywords"`
		Order    *string `json:"order"`
		Offset   *int    `json:"offset"`
		Limit    *int    `json:"limit"`
	}
	if refusal := readNDI(w, r, &ask); refusal != nil {
		return refuseNDI(w, r, refusal)
	}
	reader, err := a.reader(r)
	if err != nil {
		return a.failNDI(w, r, err)
	}
	q := view.Question{Sort: "-modified", Limit: ndiLimit, Reader: reader}
	if ask.Keywords != nil {
		if len([]rune(*ask.Keywords)) > ndiMaxKeyword {
			return refuseNDI(w, r, ndiError(ndiBadValue, "keywords 最多 500 个字符", "keywords has at most 500 characters"))
		}
		q.Q = ndiKeywords(*ask.Keywords)
	}
	if ask.Order != nil {
		switch *ask.Order {
		case "", "dsc":
		case "asc":
			q.Sort = "modified"
		default:
			return refuseNDI(w, r, ndiError(ndiBadValue, "order 应为 dsc 或 asc", "order must be dsc or asc"))
		}
	}
	if ask.Offset != nil {
		if *ask.Offset < 0 || *ask.Offset > maxOffset {
			return refuseNDI(w, r, ndiError(ndiBadValue, "offset 应为 0 到 10000 的整数", "offset must be a whole number from 0 to 10000"))
		}
		q.Offset = *ask.Offset
	}
	if ask.Limit != nil {
		if *ask.Limit < 1 || *ask.Limit > maxLimit {
			return refuseNDI(w, r, ndiError(ndiBadValue, "limit 应为 1 到 100 的整数", "limit must be a whole number from 1 to 100"))
		}
		q.Limit = *ask.Limit
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	found, err := a.Catalog.Find(ctx, q)
	if err != nil {
		return a.failNDI(w, r, err)
	}
	lang := access.LanguageOf(r)
	page := ndiPage{Total: found.Total, Results: make([]ndiProduct, 0, len(found.Hits))}
	for _, h := range found.Hits {
		p := ndiProduct{
			ProductID: h.ID, ProductName: h.Title.In(lang), Dscription: h.Summary.In(lang), Description: h.Summary.In(lang),
			ProductType: string(h.Kind), Provider: h.Publisher.In(lang),
			SpaceID: h.Space, SpaceName: h.SpaceName.In(lang), UpdateTime: stamp(h.Modified),
		}
		// A hit does not carry the registered code; its detail does. An entry
		// that has gone meanwhile keeps its @id.
		d, err := a.Catalog.Offering(ctx, h.Space, h.ID, reader)
		switch _, status, _ := problemsOf(err); {
		case err == nil:
			p.ProductID = ndiProductID(d.Offering)
		case status != http.StatusNotFound && status != http.StatusGone:
			return a.failNDI(w, r, err)
		}
		page.Results = append(page.Results, p)
	}
	return answer(w, http.StatusOK, ndiAnswer{ndiOK, ndiDone(lang), page})
}

// ndiDetail takes {productId}: a registered code or an @id.
func (a *api) ndiDetail(w http.ResponseWriter, r *http.Request) error {
	var ask struct {
		ProductID *string `json:"productId"`
	}
	if refusal := readNDI(w, r, &ask); refusal != nil {
		return refuseNDI(w, r, refusal)
	}
	if ask.ProductID == nil || *ask.ProductID == "" {
		return refuseNDI(w, r, ndiError(ndiMissing, "缺少 productId", "productId is missing"))
	}
	if len(*ask.ProductID) > maxID || !printable(*ask.ProductID) {
		return refuseNDI(w, r, ndiError(ndiBadValue, "productId 过长或含控制字符", "productId is too long or has control characters"))
	}
	reader, err := a.reader(r)
	if err != nil {
		return a.failNDI(w, r, err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	d, err := a.Catalog.OfferingByKey(ctx, *ask.ProductID, reader)
	if err != nil {
		return a.failNDI(w, r, err)
	}
	lang := access.LanguageOf(r)
	o := d.Offering
	updated := o.Modified
	if updated.IsZero() {
		updated = d.Created
	}
	keywords := o.Keywords[lang]
	if len(keywords) == 0 {
		keywords = o.Keywords["zh"]
	}
	return answer(w, http.StatusOK, ndiAnswer{ndiOK, ndiDone(lang), ndiDetailed{
		ndiProduct: ndiProduct{
			ProductID: ndiProductID(o), ProductName: o.Title.In(lang),
			Dscription: o.Description.In(lang), Description: o.Description.In(lang),
			ProductType: string(o.Kind), Provider: o.Publisher.Name.In(lang),
			SpaceID: d.Space, SpaceName: d.SpaceName.In(lang), UpdateTime: stamp(updated),
		},
		ProviderCode: o.Publisher.Code, Keywords: keywords,
		Themes: codedAll(o.Themes, lang), Industries: codedAll(o.Industry, lang), Regions: codedAll(o.Region, lang),
		DeliveryForm: coded(o.Form, lang), UpdateFrequency: coded(o.Frequency, lang),
		SecurityLevel: coded(o.Level, lang), RegistrationStatus: coded(o.Registration, lang),
		OfferingID: o.ID,
	}})
}

// ndiKeywords makes a search of keywords that all must match. Nothing in them
// is an operator: what the search language could take for one is quoted.
func ndiKeywords(s string) string {
	var words []string
	for _, w := range strings.Fields(s) { // the full-width space is a space too
		plain := true
		for _, r := range w {
			plain = plain && (unicode.IsLetter(r) || unicode.IsDigit(r))
		}
		switch {
		case plain && w != "OR" && w != "AND" && w != "NOT" && w != "或":
			words = append(words, w)
		default:
			if w = strings.TrimSpace(strings.Map(noQuotes, w)); w != "" {
				words = append(words, `"`+w+`"`)
			}
		}
	}
	return strings.Join(words, " ")
}

// noQuotes makes spaces of quotation marks, which end a phrase.
func noQuotes(r rune) rune {
	if strings.ContainsRune(`"“”„‟＂「」『』《》`, r) || unicode.IsControl(r) {
		return ' '
	}
	return r
}

// ndiProductID is the product code (数据产品标识码, NDI-04), or the @id where
// there is none. A registration number (登记编号) is no product code.
func ndiProductID(o *vocab.Offering) string {
	for _, id := range append([]string{o.RegistrationCode}, o.Identifiers...) {
		if vocab.CheckProduct(id) == nil {
			return id
		}
	}
	return o.ID
}

func coded(t vocab.Term, lang string) *ndiCoded {
	if t.Code == "" && len(t.Label) == 0 {
		return nil
	}
	return &ndiCoded{t.Code, t.Label.In(lang)}
}

func codedAll(ts []vocab.Term, lang string) []ndiCoded {
	var out []ndiCoded
	for _, t := range ts {
		if c := coded(t, lang); c != nil {
			out = append(out, *c)
		}
	}
	return out
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func ndiDone(lang string) string {
	return vocab.Text{"zh": "成功", "en": "ok"}.In(lang)
}

// ndiRefusal is an answer that is not 10000.
type ndiRefusal struct {
	status  int
	code    int
	message vocab.Text
}

func ndiError(code int, zh, en string) *ndiRefusal {
	return &ndiRefusal{http.StatusOK, code, vocab.Text{"zh": zh, "en": en}}
}

func refuseNDI(w http.ResponseWriter, r *http.Request, n *ndiRefusal) error {
	return answer(w, n.status, ndiAnswer{Code: n.code, Message: n.message.In(access.LanguageOf(r))})
}

// failNDI maps the errors of the catalogue to national codes.
func (a *api) failNDI(w http.ResponseWriter, r *http.Request, err error) error {
	ps, status, known := problemsOf(err)
	if !known {
		a.Logger.ErrorContext(r.Context(), "request failed", "request", exchangeOf(r).id, "route", exchangeOf(r).route, "error", err)
	}
	n := &ndiRefusal{http.StatusOK, ndiBadValue, ps[0].Message}
	switch {
	case status == http.StatusNotFound, status == http.StatusGone:
		n.code = ndiNoProduct
	case status == http.StatusServiceUnavailable:
		n.status, n.code = status, ndiTryAgain
	case status >= 500:
		n.status, n.code = status, ndiInternal
	}
	return refuseNDI(w, r, n)
}

// readNDI reads the body into ask. Members it does not know are ignored: other
// platforms send more than the annex names.
func readNDI(w http.ResponseWriter, r *http.Request, ask any) *ndiRefusal {
	raw, err := readBody(w, r, maxSmallBody, "application/json")
	if err != nil {
		ps, status, _ := problemsOf(err)
		code := ndiBadBody
		if status == http.StatusRequestEntityTooLarge {
			code = ndiTooLarge
		}
		return &ndiRefusal{http.StatusOK, code, ps[0].Message}
	}
	err = json.Unmarshal(raw, ask)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return ndiError(ndiBadValue, wrong.Field+" 的类型不对", "the type of "+wrong.Field+" is wrong")
	case err != nil:
		return ndiError(ndiBadBody, "请求内容不是 JSON 对象", "the body is not a JSON object")
	}
	return nil
}
