package web

import (
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/language"

	"lianmu/vocab"
)

// languages of the pages; the first is for readers who want neither.
var languages = []string{"zh", "en"}

var htmlLang = map[string]string{"zh": "zh-CN", "en": "en"}

var matcher = language.NewMatcher([]language.Tag{language.Chinese, language.English})

// beijing is the zone in which times are shown: all spaces that a hub serves
// work by it. It is fixed, so that no time zone database is needed.
var beijing = time.FixedZone("UTC+8", 8*3600)

// tongue is everything that depends on the reader's language.
type tongue struct {
	lang   string
	words  map[string]string
	pages  map[string]*template.Template
	static map[string]asset
}

func newTongue(lang string, static map[string]asset) (*tongue, error) {
	t := &tongue{lang: lang, static: static}
	raw, err := files.ReadFile("strings/" + lang + ".json")
	if err == nil {
		err = json.Unmarshal(raw, &t.words)
	}
	if err != nil {
		return nil, fmt.Errorf("web: strings of %s: %w", lang, err)
	}
	t.pages, err = parsePages(t.funcs())
	return t, err
}

// chooseLanguage takes ?lang=, which it remembers in a cookie, then that
// cookie, then Accept-Language.
func chooseLanguage(w http.ResponseWriter, r *http.Request) string {
	if l := r.URL.Query().Get("lang"); htmlLang[l] != "" {
		http.SetCookie(w, &http.Cookie{Name: "lang", Value: l, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		return l
	}
	if c, err := r.Cookie("lang"); err == nil && htmlLang[c.Value] != "" {
		return c.Value
	}
	accept := r.Header.Get("Accept-Language")
	if len(accept) > 256 {
		accept = ""
	}
	_, i := language.MatchStrings(matcher, accept)
	return languages[i]
}

func (t *tongue) has(key string) bool { _, ok := t.words[key]; return ok }

// say returns the string of a key, with args filled in; an unknown key shows
// itself in brackets, which a test looks for.
func (t *tongue) say(key string, args ...any) string {
	s, ok := t.words[key]
	if !ok {
		return "[" + key + "]"
	}
	if len(args) == 0 {
		return s
	}
	return fmt.Sprintf(s, args...)
}

// sayOr is say for keys made from data: an unknown one gives the other text.
func (t *tongue) sayOr(key, other string) string {
	if s, ok := t.words[key]; ok {
		return s
	}
	return other
}

// phrase is a text with the language it is in, for the lang attribute.
type phrase struct {
	Text string
	Lang string // "" where it is the page's own or unknown
	Tail string // of a name that others bear too: the end of what it names; else ""
}

// String is the phrase where there is no markup.
func (p phrase) String() string {
	if p.Tail == "" {
		return p.Text
	}
	return p.Text + " …" + p.Tail
}

// pick chooses the text in the reader's language or the nearest.
func (t *tongue) pick(x vocab.Text) phrase {
	s := x.In(t.lang)
	p := phrase{Text: s}
	if s == "" || x[t.lang] == s {
		return p
	}
	for _, l := range x.Languages() {
		if x[l] == s && l != "und" {
			if tag, err := language.Parse(l); err == nil {
				p.Lang = tag.String()
			}
			break
		}
	}
	return p
}

// named is a space's name or, where it has not described itself, its DID.
func (t *tongue) named(did string, name vocab.Text) phrase {
	if p := t.pick(name); p.Text != "" {
		return p
	}
	return phrase{Text: short(did)}
}

// other is the text in the page's other language, where it says something else.
func (t *tongue) other(x vocab.Text) phrase {
	for _, l := range languages {
		if l != t.lang && x[l] != "" && x[l] != x.In(t.lang) {
			return phrase{Text: x[l], Lang: htmlLang[l]}
		}
	}
	return phrase{}
}

// label is the name of a coded value, or its code.
func (t *tongue) label(x vocab.Term) string {
	if s := x.Label.In(t.lang); s != "" {
		return s
	}
	return x.Code
}

func (t *tongue) funcs() template.FuncMap {
	return template.FuncMap{
		"t":        t.say,
		"has":      t.has,
		"lang":     func() string { return t.lang },
		"htmllg":   func() string { return htmlLang[t.lang] },
		"pick":     t.pick,
		"named":    t.named,
		"host":     asciiHost,
		"other":    t.other,
		"label":    t.label,
		"date":     date,
		"stamp":    stamp,
		"iso":      func(x time.Time) string { return x.UTC().Format(time.RFC3339) },
		"link":     link,
		"marked":   marked,
		"bare":     bare,
		"short":    short,
		"who":      labelled,
		"roles":    t.roles,
		"offices":  t.recorded,
		"deed":     t.deed,
		"exported": t.exported,
		"rights":   t.rights,
		"thou":     thousands,
		"size":     byteSize,
		"asset":    func(name string) string { return "/static/" + name + "?v=" + t.static[name].stamp },
		"offer":    offeringURL,
		"space":    spaceURL,
		"peerpage": peerURL,
		"place":    t.place,
		"kept":     t.kept,
		"find":     func(field, value string) string { return (&searchState{Filters: []filter{{field, value}}}).url() },
		"words":    func(q string) string { return (&searchState{Q: q}).url() },
	}
}

// date writes a day as GB/T 7408 does: 2026-11-21.
func date(x time.Time) string {
	if x.IsZero() {
		return ""
	}
	return x.In(beijing).Format("2006-01-02")
}

// stamp writes a moment to the second, in UTC+8.
func stamp(x time.Time) string {
	if x.IsZero() {
		return ""
	}
	return x.In(beijing).Format("2006-01-02 15:04:05")
}

// link returns u where it is safe and useful as a link, else "": only http,
// https and mailto, nothing with control characters, and no user name before
// the host, which would make https://bank.example@evil.example look like the
// bank's.
func link(u string) string {
	if len(u) > 4096 || strings.ContainsFunc(u, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return ""
	}
	p, err := url.Parse(u)
	if err != nil {
		return ""
	}
	switch strings.ToLower(p.Scheme) {
	case "http", "https":
		if p.Host != "" && p.User == nil {
			return u
		}
	case "mailto":
		if p.Opaque != "" {
			return u
		}
	}
	return ""
}

// asciiHost is the host of a web address as the network knows it, where that
// differs from how it is written: letters of other alphabets may look like
// those of a well-known name. It is "" where there is nothing to add.
func asciiHost(u string) string {
	p, err := url.Parse(u)
	if err != nil || !strings.ContainsFunc(p.Host, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return ""
	}
	host, err := idna.Punycode.ToASCII(p.Hostname())
	if err != nil {
		return ""
	}
	return host
}

// marked returns a fragment with its <mark> kept and everything else escaped,
// whatever the index let through.
func marked(s string) template.HTML {
	const on, off = "<mark>", "</mark>"
	var b strings.Builder
	open := false
	for s != "" {
		i, tag := strings.Index(s, on), on
		if open {
			i, tag = strings.Index(s, off), off
		}
		if i < 0 {
			break
		}
		b.WriteString(html.EscapeString(html.UnescapeString(s[:i])))
		b.WriteString(tag)
		s, open = s[i+len(tag):], !open
	}
	b.WriteString(html.EscapeString(html.UnescapeString(s)))
	if open {
		b.WriteString(off)
	}
	return template.HTML(b.String())
}

// short keeps both ends of a long identifier, enough to tell two apart.
func short(s string) string {
	r := []rune(s)
	if len(r) <= 28 {
		return s
	}
	return string(r[:14]) + "…" + string(r[len(r)-8:])
}

// cut shortens s to at most n bytes at a rune's edge.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// thousands writes 12345 as 12,345.
func thousands(n any) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// byteSize writes a size in the largest binary unit that fits.
func byteSize(n int64) string {
	units := []string{"B", "KB", "MB", "GB", "TB", "PB"}
	x, i := float64(n), 0
	for x >= 1024 && i < len(units)-1 {
		x, i = x/1024, i+1
	}
	if i == 0 || x >= 100 {
		return fmt.Sprintf("%.0f %s", x, units[i])
	}
	return fmt.Sprintf("%.1f %s", x, units[i])
}
