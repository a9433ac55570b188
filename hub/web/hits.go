package web

import (
	"html/template"
	"net/url"
	"strings"
	"time"

	"lianmu/hub/view"
	"lianmu/vocab"
)

// badge is a small label on a hit.
type badge struct{ Kind, Text string }

// hitView is a hit as it is shown.
type hitView struct {
	URL          string
	Title        template.HTML // escaped, with marks
	TitleLang    string
	Other        phrase // the title in the other language
	Kind         string
	Space        string
	SpaceURL     string
	Publisher    phrase
	Regions      string
	Modified     time.Time
	Received     bool // Modified is when it came here
	Summary      template.HTML
	SummaryLang  string
	Badges       []badge
	Completeness int
	Demo         bool

	Hub      string // whose log it is of; "" where there is one log
	HubURL   string
	State    string // of that log, where that is not current
	Conflict string // 标识冲突: link to all that give the same product code; "" where nothing disputes it
	Listings []listing
	Others   int // other listings of the product, of which Listings may be the first
}

// Fold reports whether the listings are too many to be shown at once.
func (h hitView) Fold() bool { return len(h.Listings) > listingsShown }

func (s *Site) hit(t *tongue, h view.Hit, names names) hitView {
	title, summary := t.pick(h.Title), t.pick(h.Summary)
	v := hitView{
		URL:   offeringURL(h.Space, h.ID),
		Title: t.highlight("title", title.Text, h.Highlights), TitleLang: title.Lang, Other: t.other(h.Title),
		Kind: t.sayOr("kind."+string(h.Kind), string(h.Kind)), Space: h.SpaceName.In(t.lang), SpaceURL: "/space?" + url.Values{"did": {h.Space}}.Encode(),
		Publisher: t.pick(h.Publisher), Modified: h.Modified, Received: h.Received, Completeness: min(max(h.Completeness, 0), 100),
		Summary: t.highlight("summary", summary.Text, h.Highlights), SummaryLang: summary.Lang,
		Demo: s.config.Demo && isDemo(h.Publisher, h.Summary),
		Hub:  names.logs[h.Hub], HubURL: logURL(h.Hub), State: h.State,
		Listings: t.listings(h.Space, h.Hub, h.Listings, names), Others: max(h.Others, len(h.Listings)),
	}
	if v.Space == "" {
		v.Space = either(names.space(h.Space), short(h.Space))
	}
	if h.Conflict {
		v.Conflict = "/search"
		if len(h.Codes) > 0 {
			v.Conflict = codeURL(h.Codes[0])
		}
	}
	var regions []string
	for _, r := range h.Terms["region"] {
		if len(regions) < 3 {
			regions = append(regions, t.label(r))
		}
	}
	v.Regions = strings.Join(regions, t.say("list.comma"))
	for _, field := range []string{"form", "frequency", "level"} {
		for _, x := range h.Terms[field] {
			kind := field
			if field == "level" && x.Code != "001" {
				kind = "guarded"
			}
			if l := t.label(x); l != "" {
				v.Badges = append(v.Badges, badge{kind, l})
			}
		}
	}
	for i, f := range h.Formats {
		if i == 4 {
			break
		}
		v.Badges = append(v.Badges, badge{"format", f})
	}
	if h.Personal != nil && *h.Personal {
		v.Badges = append(v.Badges, badge{"personal", t.say("badge.personal")})
	}
	if h.Policy {
		v.Badges = append(v.Badges, badge{"policy", t.say("badge.policy")})
	}
	return v
}

// isDemo tells whether a description says of itself that it is demonstration data.
func isDemo(texts ...vocab.Text) bool {
	for _, x := range texts {
		if strings.Contains(x["zh"], "演示") || strings.Contains(x["en"], "(demo") {
			return true
		}
	}
	return false
}

// highlight puts the index's marks into a text. A fragment of another
// language than the text shown is passed over, so that marking never changes
// what is read.
func (t *tongue) highlight(field, text string, found map[string][]string) template.HTML {
	best := template.HTML(template.HTMLEscapeString(text))
	whole := string(best)
	for _, f := range found[field] {
		m := strings.Trim(string(marked(f)), "… ")
		plain := strings.NewReplacer("<mark>", "", "</mark>", "").Replace(m)
		if plain == "" || plain == m {
			continue
		}
		if i := strings.Index(whole, plain); i >= 0 {
			return template.HTML(whole[:i] + m + whole[i+len(plain):])
		}
		// A long description is shown in part: what was found may lie beyond it.
		if field == "summary" && sameScript(text, plain) {
			best = template.HTML("… " + m + " …")
		}
	}
	return best
}

// sameScript reports whether both texts are, or are not, mostly Chinese.
func sameScript(a, b string) bool { return chinese(a) == chinese(b) }

func chinese(s string) bool {
	han, all := 0, 0
	for _, r := range s {
		all++
		if r >= 0x2e80 && r < 0xa000 {
			han++
		}
	}
	return han*4 > all
}
