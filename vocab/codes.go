package vocab

import (
	"embed"
	"fmt"
	"maps"
	"strings"
)

//go:embed tables/*.txt
var tables embed.FS

// CodeList is a national code list with Chinese and English names. It never
// changes after the program has started and is safe for concurrent use.
type CodeList struct {
	Name  string // of the Go variable: "Themes"
	Title Text   // what the list is of

	terms  []Term
	byCode map[string]int
	byName map[string]int // by foldName of codes, names and aliases
	// variants rewrites what somebody wrote into further codes or names to try,
	// most exact first; nil where there are none.
	variants func(s string) []string
}

// The code lists of standards NDI-TR-2025-06 (draft), GB/T 4754-2017,
// GB/T 2260 and GB/T 43697-2024.
var (
	Themes          = lists["Themes"]          // 资源主题
	Scenes          = lists["Scenes"]          // 应用场景
	Industries      = lists["Industries"]      // 行业, GB/T 4754: section letters and two-digit divisions
	Regions         = lists["Regions"]         // 地域, GB/T 2260: four digits
	Forms           = lists["Forms"]           // 产品交付形式
	Frequencies     = lists["Frequencies"]     // 更新频率
	Levels          = lists["Levels"]          // 安全级别
	Qualities       = lists["Qualities"]       // 质量等级
	Sources         = lists["Sources"]         // 数据来源
	Classifications = lists["Classifications"] // 资源分类
	SpaceTypes      = lists["SpaceTypes"]      // 数据空间类型
	Roles           = lists["Roles"]           // 角色
	Charging        = lists["Charging"]        // 计量方式
	Delivery        = lists["Delivery"]        // 交付方式
	Circulation     = lists["Circulation"]     // 流通类型
	Registrations   = lists["Registrations"]   // 登记状态
	Importances     = lists["Importances"]     // 重要程度, GB/T 43697
)

// Find returns the term that s names: by code, by its Chinese or English name,
// or by an alias, ignoring case, full-width forms, white space and separators.
// Regions also go by two-, four- and six-digit codes, and with or without 省 and
// 市; industries also by "00" and the division, and by longer class codes;
// frequencies also by the words and IRIs of DCAT, the EU and ISO 8601.
func (l *CodeList) Find(s string) (Term, bool) {
	if s == "" || len(s) > 256 {
		return Term{}, false
	}
	s = foldWidth(s)
	if t, ok := l.find(s); ok {
		return t, true
	}
	if l.variants != nil {
		for _, v := range l.variants(s) {
			if t, ok := l.find(v); ok {
				return t, true
			}
		}
	}
	return Term{}, false
}

func (l *CodeList) find(s string) (Term, bool) {
	name := foldName(s)
	if name == "" {
		return Term{}, false
	}
	i, ok := l.byName[name]
	if !ok {
		return Term{}, false
	}
	return l.term(i), true
}

// All returns the terms in the order of the standard.
func (l *CodeList) All() []Term {
	all := make([]Term, len(l.terms))
	for i := range all {
		all[i] = l.term(i)
	}
	return all
}

// Label returns the names of a code, or nil where the list has no such code.
// For what people write, use Find.
func (l *CodeList) Label(code string) Text {
	i, ok := l.byCode[code]
	if !ok {
		return nil
	}
	return l.term(i).Label
}

// term returns a copy, so that a caller who adds a language to a label does
// not change the list.
func (l *CodeList) term(i int) Term {
	t := l.terms[i]
	return Term{Code: t.Code, Label: maps.Clone(t.Label)}
}

var kindLabels = map[OfferingKind]Text{
	Dataset:  {"zh": "数据集", "en": "Dataset"},
	Resource: {"zh": "数据资源", "en": "Data resource"},
	Product:  {"zh": "数据产品", "en": "Data product"},
	Service:  {"zh": "数据服务", "en": "Data service"},
}

// KindLabel returns the names of a kind of offering, nil for an unknown kind.
func KindLabel(k OfferingKind) Text { return maps.Clone(kindLabels[k]) }

// ParseKind reads a kind of offering by its value or one of its names.
func ParseKind(s string) (OfferingKind, bool) {
	name := foldName(foldWidth(s))
	for k, label := range kindLabels {
		if name == string(k) || name == foldName(label["zh"]) || name == foldName(label["en"]) {
			return k, true
		}
	}
	return "", false
}

// lists holds what the tables say. The tables are part of the program: one
// that is malformed stops it at once, and so in every test.
var lists = func() map[string]*CodeList {
	all := make(map[string]*CodeList)
	for _, file := range []string{"codes", "industries", "regions"} {
		text, err := tables.ReadFile("tables/" + file + ".txt")
		if err != nil {
			panic(err)
		}
		if err := readTable(string(text), all); err != nil {
			panic(fmt.Sprintf("vocab/tables/%s.txt: %v", file, err))
		}
	}
	all["Industries"].variants = industryVariants(all["Industries"])
	all["Regions"].variants = regionVariants(all["Regions"])
	all["Frequencies"].variants = frequencyVariants
	nameCities(all["Regions"])
	return all
}()

// readTable reads lists from a text: "[Name] zh | en" begins one, and
// "code | zh | en | alias; alias" is a term of it. "#" begins a comment.
func readTable(text string, all map[string]*CodeList) error {
	var l *CodeList
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			name, title, ok := strings.Cut(line[1:], "]")
			zh, en, both := strings.Cut(title, "|")
			if !ok || !both || all[name] != nil {
				return fmt.Errorf("line %d: want a new [Name] zh | en", n+1)
			}
			l = &CodeList{
				Name: name, Title: Text{"zh": strings.TrimSpace(zh), "en": strings.TrimSpace(en)},
				byCode: make(map[string]int), byName: make(map[string]int),
			}
			all[name] = l
		default:
			f := strings.Split(line, "|")
			for i := range f {
				f[i] = strings.TrimSpace(f[i])
			}
			if l == nil || len(f) < 3 || len(f) > 4 || f[0] == "" || f[1] == "" || f[2] == "" {
				return fmt.Errorf("line %d: want code | zh | en | aliases", n+1)
			}
			if _, twice := l.byCode[f[0]]; twice {
				return fmt.Errorf("line %d: %s is there already", n+1, f[0])
			}
			i := len(l.terms)
			l.terms = append(l.terms, Term{Code: f[0], Label: Text{"zh": f[1], "en": f[2]}})
			l.byCode[f[0]] = i
			names := f[:3]
			if len(f) == 4 {
				names = append(names, strings.Split(f[3], ";")...)
			}
			for _, name := range names {
				l.name(name, i)
			}
		}
	}
	return nil
}

// name makes term i known by a name, unless an earlier term has it: 教育 is
// section P before it is division 83.
func (l *CodeList) name(name string, i int) {
	if name = foldName(name); name == "" {
		return
	}
	if _, taken := l.byName[name]; !taken {
		l.byName[name] = i
	}
}
