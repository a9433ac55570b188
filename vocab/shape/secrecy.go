package shape

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"

	"lianmu/vocab"
	"lianmu/vocab/jsonld"
)

// secrecyField stands for members of any vocabulary whose name speaks of
// secrecy or classification and that are none that a profile knows. Nothing is
// read from them; but a text that its writer marked as classified must not come
// into a catalogue because the mark was given another name. Like what is
// personal they are not in the profile, because no profile may do without them.
const secrecyField = "secrecy"

// Names as bare and vocab.Simplify leave them: whole ones, and what gives a
// longer one away.
var (
	secrecyMembers = set("classification classified classificationlevel classificationmarking securityclassification securitylevel securitygrade securityclass " +
		"dataclassification documentclassification informationclassification sensitivitylevel protectivemarking " +
		"secret topsecret issecret isclassified secretlevel secretgrade secretclass confidential isconfidential " +
		"miji mijidengji dingmi 秘密 机密 绝密 安全级")
	secrecyParts = strings.Fields("secrecy confidentiality shemi 密级 秘级 涉密 定密 保密级 保密等 保密期 机密级 机密等 秘密级 秘密等 国家秘密 绝密级 绝密等 " +
		"安全级别 安全等级 安全分级 数据分级 数据等级 敏感级 敏感等")

	// Of members that ask whether it is classified, and the answers.
	secrecyQuestions = strings.Fields("涉密 shemi isclassified classified issecret isconfidential")
	secrecyYes       = set("是 涉密 有 真 yes true y 1")
	secrecyNo        = set("否 不是 不涉密 非涉密 不 无 假 no false n 0")
)

// secrecyRule is by what a value under such a name is known as one that no hub
// may hold; what says of itself that it is none is not.
var secrecyRule = struct {
	words, whole, not []string
}{
	words: strings.Fields("秘密 机密 绝密 核心 secret confidential"),
	whole: strings.Fields("core coredata"),
	not:   strings.Fields("不 非 无 未 不含 不涉及 不属于 不是 没有 non not no un 商业 trade commercial"),
}

// PlainName is a name or a word as the eye takes it: its letters and digits
// alone, in one case, width and script (vocab.Simplify). Names that are the same
// so are taken for the same. It is "" where a text has neither.
func PlainName(s string) string { return vocab.Simplify(bare(s)) }

// isSecrecyMember reports whether a member's local name speaks of secrecy.
func isSecrecyMember(local string) bool {
	if !maySpeak(local) {
		return false
	}
	b := PlainName(local)
	return secrecyMembers[b] || slices.ContainsFunc(secrecyParts, func(p string) bool { return strings.Contains(b, p) })
}

// Each of the names above has one of these stems or characters.
var secrecyStems = [][]byte{[]byte("secr"), []byte("secu"), []byte("class"), []byte("confid"), []byte("sensit"), []byte("marking"), []byte("mi")}

const secrecySigns = "密祕级級安分等敏"

// maySpeak rules most names out without looking closer. What is neither ASCII
// nor a common Chinese character may be either in disguise.
func maySpeak(local string) bool {
	var buffer [64]byte
	letters := buffer[:0]
	for _, r := range local {
		switch {
		case r > 0x7F && (r < 0x4E00 || r > 0x9FFF), r > 0x7F && strings.ContainsRune(secrecySigns, r):
			return true
		case r >= 'A' && r <= 'Z':
			letters = append(letters, byte(r)+'a'-'A')
		case r >= 'a' && r <= 'z':
			letters = append(letters, byte(r))
		}
	}
	for _, stem := range secrecyStems {
		if bytes.Contains(letters, stem) {
			return true
		}
	}
	return false
}

// speaksOfSecret reports whether a text, as the value of such a member, is one
// that no hub may hold.
func speaksOfSecret(s string) bool {
	if looksLikeIRI(s) {
		_, s = splitIRI(s)
	}
	s = PlainName(s)
	if slices.Contains(secrecyRule.whole, s) {
		return true
	}
	for _, w := range secrecyRule.words {
		for from := 0; ; {
			i := strings.Index(s[from:], w)
			if i < 0 {
				break
			}
			before := s[:from+i]
			if !slices.ContainsFunc(secrecyRule.not, func(n string) bool { return strings.HasSuffix(before, n) }) {
				return true
			}
			from += i + len(w)
		}
	}
	return false
}

// secret looks at the value of a member that speaks of secrecy: what no hub may
// hold refuses the document, anything else is remembered for narrowed.
func (rd *reading) secret(name string, v any, at func() string) {
	if isEmpty(v) {
		return
	}
	asks := slices.ContainsFunc(secrecyQuestions, func(q string) bool { return strings.Contains(PlainName(name), q) })
	banned, denies := false, asks
	look := func(s string) {
		banned = banned || speaksOfSecret(s) || asks && secrecyYes[PlainName(s)] || rd.listed("level", rd.p.forbidden["level"], s)
		denies = denies && secrecyNo[PlainName(s)]
	}
	switch answer := literalOf(v).(type) {
	case bool:
		look(strconv.FormatBool(answer))
	case float64:
		look(decimal(answer))
	default:
		eachText(v, 8, look)
	}
	switch {
	case banned:
		rd.forbid(at())
	case denies || len(rd.secrecy) >= maxProblems:
	default:
		path := at()
		for said := range rd.secrecy { // each of a list's values was
			if strings.HasPrefix(said, path+"/") {
				return
			}
		}
		if rd.secrecy == nil {
			rd.secrecy = map[string]string{}
		}
		rd.secrecy[path] = name
	}
}

// literalOf is the bare value of a JSON-LD value object, and anything else
// itself.
func literalOf(v any) any {
	if m, ok := v.(map[string]any); ok {
		if x, ok := m["@value"]; ok {
			return x
		}
	}
	return v
}

// unexpanded looks for members that speak of secrecy, or say who may see the
// document, among those that expansion left out: they mean nothing to programs,
// but whoever reads the document sees them.
func (rd *reading) unexpanded(g *jsonld.Graph) {
	source := g.Source()
	if source == nil || rd.banned {
		return
	}
	(&leftOut{rd: rd, names: map[string]string{}}).object(source)
}

// leftOut walks a document as it was received.
type leftOut struct {
	rd    *reading
	names map[string]string // member → the guarded field that it fills; "" for none
	path  []string          // to where it is
}

func (l *leftOut) object(o map[string]any) {
	if len(l.path) > maxNesting {
		return
	}
	for name, v := range o {
		if name == "@context" || name == "proof" {
			continue
		}
		field, known := l.names[name]
		if !known {
			_, field = l.rd.p.property(name)
			l.names[name] = field
		}
		l.path = append(l.path, name)
		switch field {
		case secrecyField:
			l.rd.secret(name, v, l.here)
		case "level", "importance", "audience", "accessRights":
			l.rd.forbidden(field, v, l.here)
			if !l.rd.said[field] {
				l.rd.secret(name, v, l.here)
			}
		}
		l.value(v)
		l.path = l.path[:len(l.path)-1]
	}
}

func (l *leftOut) value(v any) {
	switch v := v.(type) {
	case map[string]any:
		l.object(v)
	case []any:
		for _, e := range v {
			l.value(e)
		}
	}
}

// here is a pointer to where the walk is, as far as members go.
func (l *leftOut) here() string {
	at := ""
	for _, name := range l.path {
		at += "/" + escape(name)
	}
	return at
}

// narrowed closes to its own space what has a member that speaks of secrecy and
// was not understood, and names the member that is.
func (rd *reading) narrowed(out vocab.Audience) vocab.Audience {
	if len(rd.secrecy) == 0 {
		return out
	}
	rd.warnSecrecy("因此只有本空间能看到", "so only the own space can see this")
	return vocab.AudienceSpace
}

// warnSecrecy says of every such member that it is not read; so says what comes
// of it.
func (rd *reading) warnSecrecy(zh, en string) {
	for _, path := range slices.Sorted(maps.Keys(rd.secrecy)) {
		if len(rd.warnings) < maxProblems {
			rd.warnings = append(rd.warnings, problem(path, "level.member",
				"字段%[1]s说的是密级、安全级别或可见范围，但这样写读不懂，%[2]s：请改用“安全级别”（公开、内部、敏感）或“可见范围”，检查 @context，并删去此项。",
				"The member %[1]s speaks of secrecy, classification or audience, but is not understood, %[3]s: use \"securityLevel\" (public, internal, sensitive) or \"audience\", check the @context, and take this one out.",
				[]any{quote(rd.secrecy[path]), zh, en}))
		}
	}
}
