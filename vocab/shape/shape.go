// Package shape reads expanded JSON-LD as the nouns of package vocab, says
// what is missing or wrong and where, and scores completeness. Which property
// fills which field stands in profile files, not in code.
//
// It never fetches, verifies or stores anything, and never changes the graph
// that it reads.
package shape

import (
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"lianmu/vocab"
	"lianmu/vocab/jsonld"
)

// Reading is what a document says.
type Reading struct {
	Kind     vocab.EntryKind
	ID       string          // absolute @id (for a space descriptor: the space's DID)
	Offering *vocab.Offering // for KindOffering
	Space    *vocab.Space    // for KindSpace
	Warnings vocab.Problems  // what is missing or odd but does not refuse it

	Participant *vocab.Participant // for KindParticipant
	Consent     *vocab.Consent     // for KindConsent
	Act         *vocab.Act         // for KindAct
	Redaction   *vocab.Redaction   // for KindRedaction
	Log         *vocab.LogCard     // for KindLog
}

// CodeForbidden is the code of the problem that a document of a security
// level or importance carries which no hub may hold (机密, 绝密, 核心数据).
// Whoever gets it must not keep the document's body anywhere.
const CodeForbidden = "level.forbidden"

// CodeUnknownLevel is the code of the problem that a document carries whose
// security level, importance or audience was given and not understood: it may
// be of a forbidden level in words that nobody here knows. Whoever gets it
// should keep as little of the document as with CodeForbidden.
const CodeUnknownLevel = "level.unknown"

// Unkeepable finds the problem that says that the content of a document must be
// nowhere, that it is in doubt who may see it, or that reading stopped early. The
// body and @id of such a document are not to be kept, nor its other problems, which
// may quote it.
func Unkeepable(ps vocab.Problems) (vocab.Problem, bool) {
	for _, p := range ps {
		switch p.Code {
		case CodeForbidden, CodeUnknownLevel, "shape.work", "shape.code", "shape.several":
			return p, true
		}
		if strings.HasSuffix(p.Code, ".personal") {
			return p, true
		}
	}
	return vocab.Problem{}, false
}

// Reader reads graphs by a profile; safe for concurrent use.
type Reader struct{ p *profile }

// NewReader returns a Reader with the built-in profile, over which the given
// profile files are laid in turn: a field, weight or word list that a file
// names replaces the one before. A file with an unknown member, an unknown
// prefix or weights that do not sum to 100 is an error.
func NewReader(profiles ...io.Reader) (*Reader, error) {
	p, err := loadProfile(profiles...)
	if err != nil {
		return nil, err
	}
	return &Reader{p: p}, nil
}

// Read types g. now bounds dates. Errors are vocab.Problems and list all that
// is wrong, not only the first (up to 100, and CodeForbidden and CodeUnknownLevel always). With an
// error the Reading is not nil and holds no more than Kind and ID, as far as
// they are known, so that a refusal can be filed under a name.
func (r *Reader) Read(g *jsonld.Graph, now time.Time) (*Reading, error) {
	if g == nil {
		g = &jsonld.Graph{}
	}
	rd := &reading{p: r.p, now: now, called: g.Name}
	out := rd.read(g)
	if len(rd.problems) > 0 {
		return &Reading{Kind: out.Kind, ID: out.ID}, rd.problems
	}
	out.Warnings = rd.warnings
	return out, nil
}

// reading is the state of one Read; nothing of it is shared.
type reading struct {
	p        *profile
	now      time.Time
	called   func(iri string) string // the writer's member name for a property, or ""
	g        *graph
	problems vocab.Problems
	warnings vocab.Problems
	banned   bool // CodeForbidden was said
	spent    int  // steps, see spend

	said    map[string]bool   // guarded fields that the graph says something in
	secrecy map[string]string // members that speak of secrecy, by where they stand
}

// maxSteps bounds how often values are looked at. Nodes may be referred to
// many times, and a document of some kilobytes could so ask for the same
// hundred nodes a million times over; an honest one of the largest size takes
// an eighth of this.
const maxSteps = 100_000

// spend counts work, in values looked at, and refuses the document when there
// is too much of it.
func (rd *reading) spend(n int) bool {
	if rd.spent > maxSteps {
		return false
	}
	if rd.spent += n; rd.spent > maxSteps {
		rd.refuse(place{}, "shape.work", "文档中的引用太多，读完它的代价太大：请减少重复引用的节点，或拆成几份。", "The document refers to nodes too often, and reading it would cost too much: refer to fewer nodes, or split it.")
		return false
	}
	return true
}

func (rd *reading) read(g *jsonld.Graph) *Reading {
	rd.g = indexGraph(rd.p, g.Nodes, rd.guarded)
	rd.unexpanded(g)
	out := &Reading{}
	if g.NoContext {
		defer rd.noContext()
	}
	c, ok := rd.subject()
	if !ok {
		rd.unfiled(g)
		return out
	}
	n := rd.g.merged(c.node)
	s := subject{node: n, has: rd.p.present(n), at: c.place()}
	out.Kind = c.class.entry()
	if !rd.id(s, out) {
		out.ID = ""
	}
	switch out.Kind {
	case vocab.KindOffering:
		out.Offering = rd.offering(s, c.class)
		out.Offering.ID = out.ID
	case vocab.KindSpace:
		if rd.impersonal(g, out) {
			out.Space = rd.space(s)
			out.Space.DID = out.ID
		}
	case vocab.KindParticipant:
		if rd.impersonal(g, out) {
			out.Participant = rd.participant(s)
			out.Participant.ID = out.ID
		}
	case vocab.KindConsent:
		if rd.impersonal(g, out) {
			out.Consent = rd.consent(s)
			out.Consent.ID = out.ID
		}
	case vocab.KindAct:
		out.Act = rd.act(s)
		out.Act.ID = out.ID
	case vocab.KindRedaction:
		out.Redaction = rd.redaction(s)
		out.Redaction.ID = out.ID
	case vocab.KindLog:
		out.Log = rd.logCard(s)
		out.Log.ID = out.ID
	}
	return out
}

// noContext says of a refused document first what it lacks: without a context
// plain members mean nothing, and most other problems come from that.
func (rd *reading) noContext() {
	if len(rd.problems) == 0 {
		return
	}
	p := problem("/@context", "context.missing",
		"缺少 @context，字段名因此都没有意义：请在文档开头加上 \"@context\": \"https://w3id.org/lianmu/v1\"。",
		"@context is missing, so that the names of the members mean nothing: add \"@context\": \"https://w3id.org/lianmu/v1\" at the beginning.", nil)
	rd.problems = slices.DeleteFunc(rd.problems, func(p vocab.Problem) bool { return p.Code == "type.missing" })
	rd.problems = slices.Insert(rd.problems, 0, p)
}

// id checks the subject's @id: an absolute IRI (RFC 3986 section 4.3) of at
// most 2,048 bytes; for a space a DID.
func (rd *reading) id(s subject, out *Reading) bool {
	at := s.at.member("@id")
	raw, present := s.node["@id"]
	id, isText := raw.(string)
	switch {
	case !present || id == "" && isText:
		rd.refuse(at, "id.missing", "缺少 @id：请给出一个绝对 IRI，例如 urn:uuid:… 或 https://… ，今后更新、下架都靠它。", "@id is missing: give an absolute IRI such as urn:uuid:… or https://…; updates and withdrawal refer to it.")
		return false
	case !isText:
		rd.refuse(at, "shape.type", "@id 应为文本。", "@id must be text.")
		return false
	}
	out.ID = id
	if why := checkIRI(id); why != nil {
		rd.refuse(at, why.code, "@id 无效："+why.zh, "@id is not valid: "+why.en)
		return false
	}
	switch out.Kind {
	case vocab.KindSpace:
		if !isDID(id) {
			rd.refuse(at, "id.did", "数据空间描述的 @id 应为该空间的 DID，例如 did:key:… 。", "The @id of a space's descriptor must be the space's DID, such as did:key:….")
			return false
		}
	case vocab.KindAct, vocab.KindRedaction, vocab.KindLog:
		if !uuidForm.MatchString(id) {
			rd.refuse(at, "id.uuid", "此处的 @id 应为 urn:uuid: 加上一个 UUID。", "The @id of this must be urn:uuid: and a UUID.")
			return false
		}
	case vocab.KindOffering:
		rd.oddID(id, at)
	}
	return true
}

// oddID warns of names that are sound but easily taken for another's.
func (rd *reading) oddID(id string, at place) {
	scheme := strings.ToLower(id[:schemeLen(id)])
	switch {
	case !norm.NFC.IsNormalString(id):
		rd.warn(at, "id.form", "@id 中的字符不是 Unicode 规范组合形式（NFC），看上去相同的写法会被当作另一条：请改用组合形式。", "The @id is not in Unicode's composed form (NFC); what looks the same would be another offering. Use the composed form.")
	case scheme == "did" && !strings.ContainsAny(id, "/?#"):
		rd.warn(at, "id.form", "@id 是一个完整的 DID，通常是空间或机构的名称：请确认它确实属于这项数据，或改用其他 IRI。", "The @id is a whole DID, which is usually the name of a space or an organisation: make sure that it belongs to this data, or use another IRI.")
	case scheme == "http" || scheme == "https":
		if u, err := url.Parse(id); err == nil && u.User != nil {
			rd.warn(at, "id.form", "@id 的主机名前带有用户名（…@），容易被误认为别的网站：请去掉。", "The @id has a user name in front of its host (…@), which makes it look like another site's: take it out.")
		}
	}
}
