package shape

import (
	"embed"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"lianmu/vocab"
)

//go:embed profiles/lianmu.yaml
var builtin embed.FS

const maxProfileBytes = 1 << 20

// profileFile is the form of a profile on disk; profiles/lianmu.yaml explains
// each part.
type profileFile struct {
	Name           string                         `json:"name"`
	Version        int                            `json:"version"`
	Prefixes       map[string]string              `json:"prefixes"`
	Types          map[string][]string            `json:"types"`
	Fields         map[string][]string            `json:"fields"`
	Known          []string                       `json:"known"`
	Guarded        map[string][]string            `json:"guarded"`
	Codes          map[string]codeRule            `json:"codes"`
	CodeNamespaces []string                       `json:"codeNamespaces"`
	Aliases        map[string]map[string]string   `json:"aliases"`
	Words          map[string]map[string][]string `json:"words"`
	Forbidden      map[string]forbidRule          `json:"forbidden"`
	Formats        map[string]string              `json:"formats"`
	Weights        map[string]int                 `json:"weights"`
}

type codeRule struct {
	List    string `json:"list"`
	Unknown string `json:"unknown"` // "keep" or "refuse"
}

// forbidRule tells by what a forbidden value is known, see speaks.
type forbidRule struct {
	Codes  []string `json:"codes"`
	Words  []string `json:"words"`
	Within int      `json:"within"`
	Unless []string `json:"unless"`
}

// profile is a profile made ready: prefixes expanded, tables turned round.
type profile struct {
	types      map[string]class
	fields     map[string][]string
	props      map[string]property // every property that means something here
	guarded    map[string]string   // local name → guarded field
	codes      map[string]*code
	namespaces []string
	words      map[string]map[string]string // field → word → meaning
	forbidden  map[string]forbidRule
	formats    map[string]string
	weights    map[string]int
	missing    []missing         // in a fixed order
	prefixes   map[string]string // namespace → prefix, for short names
}

// property is what the walk of a graph wants to know of a property.
type property struct {
	guarded string   // the guarded field that it fills, or ""
	service bool     // its values are services of something else
	fills   fieldSet // the fields that it can fill
}

// fieldSet is a set of fields, by their place in fieldNames. Most fields are
// absent from most nodes: with the set of those present at hand, they cost
// nothing.
type fieldSet [2]uint64

func (f *fieldSet) add(o fieldSet) { f[0] |= o[0]; f[1] |= o[1] }

func (f fieldSet) meets(o fieldSet) bool { return f[0]&o[0]|f[1]&o[1] != 0 }

// fieldBits is each field as a set of its own.
var fieldBits = func() map[string]fieldSet {
	bits := make(map[string]fieldSet, len(fieldNames))
	for i, name := range fieldNames {
		var f fieldSet
		f[i/64] = 1 << (i % 64) // an index out of range stops every test
		bits[name] = f
	}
	return bits
}()

// present tells which fields a node has something in.
func (p *profile) present(n node) (f fieldSet) {
	for iri := range n {
		prop, guarded := p.property(iri)
		f.add(prop.fills)
		if guarded != "" {
			f.add(fieldBits[guarded])
		}
	}
	return f
}

// loadProfile lays files over the built-in profile.
func loadProfile(files ...io.Reader) (*profile, error) {
	base, err := builtin.ReadFile("profiles/lianmu.yaml")
	if err != nil {
		return nil, fmt.Errorf("shape: built-in profile: %w", err)
	}
	var f profileFile
	if err := yaml.UnmarshalStrict(base, &f); err != nil {
		return nil, fmt.Errorf("shape: built-in profile: %w", err)
	}
	for i, r := range files {
		b, err := io.ReadAll(io.LimitReader(r, maxProfileBytes+1))
		if err != nil {
			return nil, fmt.Errorf("shape: profile file %d: %w", i+1, err)
		}
		if len(b) > maxProfileBytes {
			return nil, fmt.Errorf("shape: profile file %d is larger than %d bytes", i+1, maxProfileBytes)
		}
		var over profileFile
		if err := yaml.UnmarshalStrict(b, &over); err != nil {
			return nil, fmt.Errorf("shape: profile file %d: %w", i+1, err)
		}
		f.overlay(over)
	}
	return f.compile()
}

func (f *profileFile) overlay(o profileFile) {
	maps.Copy(f.Prefixes, o.Prefixes)
	maps.Copy(f.Types, o.Types)
	maps.Copy(f.Fields, o.Fields)
	f.Known = append(f.Known, o.Known...)
	maps.Copy(f.Guarded, o.Guarded)
	maps.Copy(f.Codes, o.Codes)
	f.CodeNamespaces = append(f.CodeNamespaces, o.CodeNamespaces...)
	maps.Copy(f.Aliases, o.Aliases)
	maps.Copy(f.Words, o.Words)
	maps.Copy(f.Forbidden, o.Forbidden)
	maps.Copy(f.Formats, o.Formats)
	if o.Weights != nil {
		f.Weights = o.Weights // a set of weights only makes sense as a whole
	}
}

func (f *profileFile) compile() (*profile, error) {
	p := &profile{
		types: map[string]class{}, fields: map[string][]string{}, props: map[string]property{},
		guarded: map[string]string{}, codes: map[string]*code{},
		namespaces: f.CodeNamespaces, words: map[string]map[string]string{}, forbidden: map[string]forbidRule{},
		formats: f.Formats, weights: f.Weights, prefixes: map[string]string{},
	}
	for prefix, ns := range f.Prefixes {
		p.prefixes[ns] = prefix
	}
	for name, iris := range f.Types {
		c, ok := classNames[name]
		if !ok {
			return nil, fmt.Errorf("shape: profile: unknown class %q under types", name)
		}
		full, err := f.expand(iris)
		if err != nil {
			return nil, err
		}
		for _, iri := range full {
			p.types[iri] = c
		}
	}
	for name, iris := range f.Fields {
		if !slices.Contains(fieldNames, name) {
			return nil, fmt.Errorf("shape: profile: unknown field %q", name)
		}
		full, err := f.expand(iris)
		if err != nil {
			return nil, err
		}
		p.fields[name] = full
		for _, iri := range full {
			prop := p.props[iri]
			prop.service = prop.service || name == "accessService"
			prop.fills.add(fieldBits[name])
			p.props[iri] = prop
		}
	}
	full, err := f.expand(f.Known)
	if err != nil {
		return nil, err
	}
	for _, iri := range full {
		if _, ok := p.props[iri]; !ok {
			p.props[iri] = property{}
		}
	}
	for field, names := range f.Guarded {
		if !slices.Contains(fieldNames, field) {
			return nil, fmt.Errorf("shape: profile: unknown guarded field %q", field)
		}
		for _, n := range names {
			p.guarded[n] = field
			p.guarded[bare(n)] = field
		}
		for _, iri := range p.fields[field] {
			prop := p.props[iri]
			prop.guarded = field
			p.props[iri] = prop
		}
	}
	for field, rule := range f.Forbidden {
		if !slices.Contains(fieldNames, field) {
			return nil, fmt.Errorf("shape: profile: unknown field %q under forbidden", field)
		}
		bared := forbidRule{Codes: rule.Codes, Within: rule.Within}
		for _, w := range rule.Words {
			bared.Words = append(bared.Words, bare(w))
		}
		for _, w := range rule.Unless {
			bared.Unless = append(bared.Unless, bare(w))
		}
		p.forbidden[field] = bared
	}
	for field, words := range f.Words {
		p.words[field] = map[string]string{}
		for meaning, list := range words {
			for _, w := range list {
				p.words[field][strings.ToLower(w)] = meaning
			}
		}
	}
	if err := p.compileCodes(f); err != nil {
		return nil, err
	}
	return p, p.compileWeights()
}

func (p *profile) compileCodes(f *profileFile) error {
	for field, rule := range f.Codes {
		list, ok := codeLists()[rule.List]
		if !ok {
			return fmt.Errorf("shape: profile: unknown code list %q for %s", rule.List, field)
		}
		if rule.Unknown != "keep" && rule.Unknown != "refuse" {
			return fmt.Errorf("shape: profile: codes.%s.unknown must be keep or refuse, not %q", field, rule.Unknown)
		}
		c := &code{field: field, list: list, strict: rule.Unknown == "refuse", aliases: map[string]vocab.Term{}}
		if c.strict {
			c.choices = choose(list, f.Forbidden[field].Codes)
		}
		p.codes[field] = c
	}
	for field, aliases := range f.Aliases {
		c, ok := p.codes[field]
		if !ok {
			return fmt.Errorf("shape: profile: aliases for %q, which is no coded field", field)
		}
		for from, to := range aliases {
			t, ok := c.list.Find(to)
			if !ok {
				return fmt.Errorf("shape: profile: aliases.%s: %q is not in the code list", field, to)
			}
			c.aliases[strings.ToLower(from)] = t
		}
	}
	for _, field := range codedFields {
		if p.codes[field] == nil {
			return fmt.Errorf("shape: profile: codes.%s is missing", field)
		}
	}
	return nil
}

func (p *profile) compileWeights() error {
	sum := 0
	for name, w := range p.weights {
		if w < 0 || !slices.Contains(weightNames, name) {
			return fmt.Errorf("shape: profile: weights.%s is unknown or negative", name)
		}
		sum += w
	}
	if sum != 100 {
		return fmt.Errorf("shape: profile: weights sum to %d, not 100", sum)
	}
	p.missing = missingFor(p.weights)
	return nil
}

// expand turns "dct:title" into full IRIs. A name without a colon stays as it
// is. Schema.org's two spellings are both meant by either.
func (f *profileFile) expand(names []string) ([]string, error) {
	out := make([]string, 0, len(names))
	for _, n := range names {
		prefix, local, ok := strings.Cut(n, ":")
		if !ok || strings.HasPrefix(local, "//") {
			out = append(out, n)
			continue
		}
		ns, ok := f.Prefixes[prefix]
		if !ok {
			return nil, fmt.Errorf("shape: profile: prefix of %q is not declared", n)
		}
		out = append(out, ns+local)
		if rest, ok := strings.CutPrefix(ns, "https://schema.org/"); ok {
			out = append(out, "http://schema.org/"+rest+local)
		}
	}
	return out, nil
}

// compact gives an IRI's short form, or the IRI itself.
func (p *profile) compact(iri string) string {
	ns, local := splitIRI(iri)
	if prefix, ok := p.prefixes[ns]; ok && local != "" {
		return prefix + ":" + local
	}
	return iri
}

// splitIRI cuts an IRI after its last "#", "/" or ":".
func splitIRI(iri string) (ns, local string) {
	i := strings.LastIndexAny(iri, "#/:")
	return iri[:i+1], iri[i+1:]
}

// word looks up what a word of a field means.
func (p *profile) word(field, s string) (string, bool) {
	m, ok := p.words[field][strings.ToLower(strings.TrimSpace(s))]
	return m, ok
}
