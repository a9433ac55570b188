package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"lianmu/hub/view"
	"lianmu/vocab"
)

// offeringURL is the page of an offering. Both parts are in the query: an @id
// holds slashes that proxies would fold in a path.
func offeringURL(space, id string) string {
	return "/offering?" + url.Values{"space": {space}, "id": {id}}.Encode()
}

// value is one value in a table of facts.
type value struct {
	phrase
	Code string
	URL  string // a search for the same, or a link out
	Out  bool   // URL leaves the hub
}

// fact is a row: a name and its values.
type fact struct {
	Key    string
	Values []value
}

// factGroup is a titled table of facts.
type factGroup struct {
	Key   string
	Facts []fact
}

// detail is the body of the offering page.
type detail struct {
	*view.Detail
	Title       phrase
	Other       phrase
	Description phrase
	OtherText   phrase // the description in the other language
	Kind        string
	Keywords    []choice
	Groups      []factGroup
	Raw         string
	RawURL      string
	VerifyURL   string
	Expired     bool
	Demo        bool
	SpaceTitle  string
	Home        logLine // the log that it is of
	Several     bool    // logs: then Home is worth saying
	Product     *product
}

func (s *Site) offering(q *request) {
	space, id := q.args.Get("space"), q.args.Get("id")
	if space == "" || id == "" || len(space) > maxQuery || len(id) > maxQuery {
		s.problem(q, http.StatusNotFound, nil)
		return
	}
	d, err := s.config.Catalog.Offering(q.Context(), space, id, q.reader)
	if err == nil && d.Offering == nil {
		err = view.ErrNotFound
	}
	if err != nil {
		s.fail(q, err)
		return
	}
	raw := offeringURL(space, id) + "&raw=1"
	if q.args.Get("raw") != "" {
		// The bytes as they were signed, so that what is downloaded verifies.
		q.attach(d.Digest.String()[:16]+".jsonld", d.Document)
		return
	}
	o := d.Offering
	b := detail{
		Detail: d, Title: q.t.pick(o.Title), Other: q.t.other(o.Title),
		Description: q.t.pick(o.Description), OtherText: q.t.other(o.Description),
		Kind: q.t.sayOr("kind."+string(o.Kind), string(o.Kind)), Groups: q.t.facts(o),
		Raw: pretty(d.Document), RawURL: raw, VerifyURL: origin(q.Request) + raw,
		Expired:    !d.Expires.IsZero() && d.Expires.Before(s.config.Now()),
		Demo:       s.config.Demo && isDemo(o.Publisher.Name, o.Description),
		SpaceTitle: d.SpaceName.In(q.t.lang),
	}
	if b.SpaceTitle == "" {
		b.SpaceTitle = short(d.Space)
	}
	logs := s.config.Catalog.Coverage()
	names := q.t.logNames(logs)
	b.Home, b.Several = q.t.logLine(view.Coverage{Hub: d.Hub, State: either(d.State, view.Current)}, names), len(logs) > 1
	for _, l := range logs {
		if l.Hub == d.Hub {
			b.Home = q.t.logLine(l, names)
		}
	}
	b.Product = s.product(q, d, s.names(q, names))
	for _, w := range q.t.keywords(o.Keywords) {
		b.Keywords = append(b.Keywords, choice{Label: w, URL: (&searchState{Q: `"` + strings.ReplaceAll(w, `"`, " ") + `"`}).url()})
	}
	s.render(q, http.StatusOK, "offering", page{Title: b.Title.Text, Body: b})
}

// keywords are those of the reader's language, then all others not yet said.
func (t *tongue) keywords(k vocab.Texts) []string {
	var out []string
	seen := map[string]bool{}
	tags := make([]string, 0, len(k))
	for l := range k {
		tags = append(tags, l)
	}
	sort.Slice(tags, func(i, j int) bool {
		if mine := tags[i] == t.lang; mine != (tags[j] == t.lang) {
			return mine
		}
		return tags[i] < tags[j]
	})
	for _, l := range tags {
		for _, w := range k[l] {
			if w != "" && !seen[w] && len(out) < 60 {
				seen[w] = true
				out = append(out, w)
			}
		}
	}
	return out
}

// facts lays out what an offering says, with the national codes.
func (t *tongue) facts(o *vocab.Offering) []factGroup {
	terms := func(field string, list ...vocab.Term) (vs []value) {
		for _, x := range list {
			l := t.pick(x.Label)
			code := x.Code
			if l.Text == "" {
				l.Text, code = x.Code, ""
			}
			if l.Text == "" {
				continue
			}
			v := value{phrase: l, Code: code}
			if ownCode.MatchString(code) {
				v.Code = ""
			}
			if strings.Contains(code, "://") {
				v.Code, v.URL, v.Out = "", link(code), true
			} else if field != "" {
				v.URL = (&searchState{Filters: []filter{{field, either(x.Code, l.Text)}}}).url()
			}
			vs = append(vs, v)
		}
		return vs
	}
	text := func(s string) []value {
		if s == "" {
			return nil
		}
		u := link(s)
		return []value{{phrase: phrase{Text: bare(s)}, URL: u, Out: u != ""}}
	}
	texts := func(list []string) (vs []value) {
		for _, s := range list {
			vs = append(vs, text(s)...)
		}
		return vs
	}
	agent := func(a vocab.Agent) (vs []value) {
		if n := t.pick(a.Name); n.Text != "" || a.Code != "" {
			vs = append(vs, value{phrase: n, Code: a.Code})
		}
		if u := link(a.ID); u != "" {
			vs = append(vs, value{phrase: phrase{Text: a.ID}, URL: u, Out: true})
		}
		return vs
	}
	yesNo := func(b *bool) []value {
		if b == nil {
			return nil
		}
		if *b {
			return text(t.say("yes.personal"))
		}
		return text(t.say("no.personal"))
	}
	actions := func(names []string, kind string) (vs []value) {
		for _, a := range names {
			l := t.sayOr(kind+"."+a, "")
			v := value{phrase: phrase{Text: l}, Code: a}
			if l == "" || strings.EqualFold(l, a) {
				v = value{phrase: phrase{Text: a}}
			}
			vs = append(vs, v)
		}
		return vs
	}
	groups := []factGroup{
		{"about", []fact{
			{"theme", terms("theme", o.Themes...)}, {"scene", terms("scene", o.Scenes...)},
			{"industry", terms("industry", o.Industry...)}, {"region", terms("region", o.Region...)},
			{"spatial", text(box(o.Spatial))}, {"temporal", text(t.period(o.Temporal))},
		}},
		{"nature", []fact{
			{"form", terms("form", o.Form)}, {"frequency", terms("frequency", o.Frequency)},
			{"level", terms("level", o.Level)}, {"importance", terms("", o.Importance)},
			{"quality", terms("quality", o.Quality)}, {"source", terms("", o.Source)},
			{"personal", yesNo(o.PersonalData)},
			{"issued", text(date(o.Issued))}, {"modified", text(date(o.Modified))},
		}},
		{"terms", []fact{
			{"charge", t.charge(o.Charge, terms)}, {"license", text(o.License)},
			{"permitted", actions(o.Policy.Actions, "action")}, {"prohibited", actions(o.Policy.Prohibited, "action")},
			{"purpose", actions(o.Policy.Purposes, "purpose")},
		}},
		{"who", []fact{
			{"publisher", agent(o.Publisher)}, {"contact", text(o.Contact)}, {"landing", text(o.LandingPage)},
			{"registration", terms("registration", o.Registration)}, {"regcode", text(o.RegistrationCode)},
			{"identifier", texts(o.Identifiers)}, {"id", text(o.ID)},
		}},
	}
	var out []factGroup
	for _, g := range groups {
		kept := factGroup{Key: g.Key}
		for _, f := range g.Facts {
			if len(f.Values) > 0 {
				kept.Facts = append(kept.Facts, f)
			}
		}
		if len(kept.Facts) > 0 || g.Key == "terms" { // that no terms are named is said there
			out = append(out, kept)
		}
	}
	return out
}

// bare is an address as people write it, without "mailto:" or "tel:".
func bare(s string) string {
	s = strings.TrimPrefix(s, "mailto:")
	return strings.TrimPrefix(s, "tel:")
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// charge is the model, then the price with its unit.
func (t *tongue) charge(c vocab.Charge, terms func(string, ...vocab.Term) []value) []value {
	vs := terms("", c.Model)
	if c.Price == "" {
		return vs
	}
	price := c.Price
	switch {
	case c.Unit != "":
		price += " " + c.Unit
		if c.Currency != "" && c.Currency != "CNY" {
			price += " (" + c.Currency + ")"
		}
	case c.Currency != "":
		price += " " + c.Currency
	}
	return append(vs, value{phrase: phrase{Text: price}})
}

// box writes a spatial extent as west–east, south–north.
func box(b *vocab.Box) string {
	if b == nil {
		return ""
	}
	return fmt.Sprintf("%s ~ %s, %s ~ %s", degrees(b.West, "E", "W"), degrees(b.East, "E", "W"), degrees(b.South, "N", "S"), degrees(b.North, "N", "S"))
}

func degrees(x float64, plus, minus string) string {
	if x < 0 {
		x, plus = -x, minus
	}
	return strings.TrimRight(strings.TrimRight(strconv.FormatFloat(x, 'f', 4, 64), "0"), ".") + "°" + plus
}

// period writes a temporal extent; an open end is said.
func (t *tongue) period(p *vocab.Period) string {
	switch {
	case p == nil || p.Start.IsZero() && p.End.IsZero():
		return ""
	case p.End.IsZero():
		return t.say("period.since", date(p.Start))
	case p.Start.IsZero():
		return t.say("period.until", date(p.End))
	}
	return date(p.Start) + " ~ " + date(p.End)
}

// pretty indents a document for reading. Characters that would turn the
// direction of the text, and so show it otherwise than it is, are written as
// escapes; in valid JSON they can only be inside strings.
func pretty(doc []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, doc, "", "  ") != nil {
		b.Reset()
		b.Write(bytes.ToValidUTF8(doc, []byte("\uFFFD")))
	}
	var out strings.Builder
	for _, r := range b.String() {
		if r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0xfeff {
			fmt.Fprintf(&out, `\u%04x`, r)
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

// ownCode is a word of ours where the standard has a name but no code; to a
// reader it says nothing beside the name.
var ownCode = regexp.MustCompile(`^[a-z][a-z-]+$`)

var plainHost = regexp.MustCompile(`^[A-Za-z0-9.\-]+(:[0-9]{1,5})?$|^\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?$`)

// origin is the address that the reader used, for commands to copy; a Host
// that could be more than an address is left out.
func origin(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	if !plainHost.MatchString(r.Host) {
		return scheme + "://HUB"
	}
	return scheme + "://" + r.Host
}
