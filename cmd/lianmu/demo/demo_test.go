package demo

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/multiformats/go-multibase"

	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func spaces(t *testing.T) []Space {
	t.Helper()
	all, err := Spaces()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func reader(t *testing.T) func([]byte) (*shape.Reading, error) {
	t.Helper()
	r, err := shape.NewReader()
	if err != nil {
		t.Fatal(err)
	}
	p := jsonld.New(jsonld.Limits{})
	return func(raw []byte) (*shape.Reading, error) { return r.ReadDocument(t.Context(), p, raw, now) }
}

// The offerings that are refused, each for its one reason.
var refused = map[string]string{
	"https://port.example/data/lock-schedule":  "check",
	"https://zj-city.example/data/credit-agri": "check",
	"https://zj-city.example/data/rice-yield":  "title",
	"https://bio.example/data/genome-secret":   "level",
}

func TestSpacesDescribeThemselves(t *testing.T) {
	read := reader(t)
	all := spaces(t)
	if len(all) != 6 {
		t.Fatalf("%d spaces, want 6", len(all))
	}
	types := map[string]bool{}
	for _, s := range all {
		seed, err := hex.DecodeString(s.SeedHex)
		if err != nil || len(seed) != ed25519.SeedSize {
			t.Fatalf("%s: seed %q", s.Slug, s.SeedHex)
		}
		public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
		key, err := multibase.Encode(multibase.Base58BTC, append([]byte{0xed, 0x01}, public...))
		if err != nil {
			t.Fatal(err)
		}
		g, err := read(s.Descriptor)
		if err != nil {
			t.Errorf("%s: %v", s.Slug, err)
			continue
		}
		if g.Kind != vocab.KindSpace || g.Space == nil || g.ID != "did:key:"+key {
			t.Errorf("%s: kind %v, id %s, want did:key:%s", s.Slug, g.Kind, g.ID, key)
			continue
		}
		sp := g.Space
		types[sp.Type.Code] = true
		if sp.Name["zh"] == "" || sp.Name["en"] == "" || !strings.Contains(sp.Description["zh"], "演示数据") || sp.Operator.Code == "" || sp.Region.Code == "" || sp.Homepage == "" || sp.Contact == "" {
			t.Errorf("%s lacks something: %+v", s.Slug, sp)
		}
		for _, w := range g.Warnings {
			t.Errorf("%s: %v", s.Slug, w)
		}
	}
	for _, c := range []string{"city", "industry", "enterprise", "cross-border"} {
		if !types[c] {
			t.Errorf("no space of type %s", c)
		}
	}
}

// Each space has one home, and its descriptor says so once that hub is known.
func TestHomes(t *testing.T) {
	read := reader(t)
	homes := map[string]int{}
	for _, s := range spaces(t) {
		homes[s.Hub]++
		const hub = "did:key:z6Mkr7NUw9iy7ALRuMMwjdsjMgiM3U41fVyqEpZmB1JGXxJQ"
		g, err := read(s.At(hub))
		if err != nil || g.Space == nil || g.Space.Hub != hub || g.Space.Name["en"] == "" || len(g.Warnings) > 0 {
			t.Errorf("%s: %+v %v", s.Slug, g, err)
		}
	}
	if len(homes) != 3 || len(Hubs) != 3 {
		t.Errorf("homes %v", homes)
	}
	for _, h := range Hubs {
		if homes[h.Slug] != 2 || !strings.Contains(h.NameZH, "演示") || !strings.Contains(h.NameEN, "demo") {
			t.Errorf("%+v has %d spaces", h, homes[h.Slug])
		}
	}
}

func TestOfferings(t *testing.T) {
	read := reader(t)
	used := map[string]map[string]bool{}
	use := func(list string, terms ...vocab.Term) {
		if used[list] == nil {
			used[list] = map[string]bool{}
		}
		for _, x := range terms {
			used[list][x.Code] = true
		}
	}
	accepted, open, codes, policies, priced, boxes, periods, personal := 0, 0, 0, 0, 0, 0, 0, 0
	ids := map[string]bool{}
	for _, s := range spaces(t) {
		mine := 0
		for _, raw := range s.Offerings {
			var at struct {
				ID    string `json:"@id"`
				Short string `json:"id"`
				Graph []struct {
					ID string `json:"@id"`
				} `json:"@graph"`
			}
			if err := json.Unmarshal(raw, &at); err != nil {
				t.Fatalf("%s: %v", s.Slug, err)
			}
			id := at.ID + at.Short
			if len(at.Graph) == 1 {
				id = at.Graph[0].ID
			}
			if ids[id] || !strings.HasPrefix(id, "https://"+s.Slug+".example/data/") {
				t.Errorf("%s: id %q", s.Slug, id)
			}
			ids[id] = true
			g, err := read(raw)
			if why, bad := refused[id]; bad {
				if err == nil {
					t.Errorf("%s should be refused", id)
				} else if ps := vocab.ProblemsOf(err, ""); len(ps) != 1 || !strings.Contains(ps[0].Code+" "+ps[0].Message["en"], why) || ps[0].Message["zh"] == "" {
					t.Errorf("%s: %+v", id, ps)
				} else {
					t.Logf("%s: %s %s: %s", id, ps[0].Path, ps[0].Code, ps[0].Message["zh"])
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", id, err)
				continue
			}
			accepted++
			mine++
			o := g.Offering
			if o == nil || o.ID != id {
				t.Errorf("%s reads as %+v", id, g)
				continue
			}
			if id == "https://lingang.example/data/odd-date" {
				if len(g.Warnings) != 1 || !strings.Contains(g.Warnings[0].Path, "temporal") {
					t.Errorf("%s: warnings %+v", id, g.Warnings)
				}
			} else if len(g.Warnings) > 0 {
				t.Errorf("%s: %+v", id, g.Warnings)
			}
			if o.Title["zh"] == "" || o.Title["en"] == "" || len(o.Keywords["zh"]) == 0 || len(o.Keywords["en"]) == 0 {
				t.Errorf("%s: title %v, keywords %v", id, o.Title, o.Keywords)
			}
			if n := len([]rune(o.Description["zh"])); n < 55 || n > 200 {
				t.Errorf("%s: the description has %d characters", id, n)
			}
			if !strings.Contains(o.Publisher.Name["zh"], "演示") {
				t.Errorf("%s: the publisher %v does not say that it is invented", id, o.Publisher.Name)
			}
			if err := vocab.CheckUSCC(o.Publisher.Code); err != nil || !fictional.MatchString(o.Publisher.Code) {
				t.Errorf("%s: %q: %v", id, o.Publisher.Code, err)
			}
			if o.Completeness < 80 {
				t.Errorf("%s: completeness %d", id, o.Completeness)
			}
			use("theme", o.Themes...)
			use("scene", o.Scenes...)
			use("industry", o.Industry...)
			use("region", o.Region...)
			use("form", o.Form)
			use("frequency", o.Frequency)
			use("level", o.Level)
			use("quality", o.Quality)
			use("source", o.Source)
			use("importance", o.Importance)
			use("charging", o.Charge.Model)
			use("registration", o.Registration)
			use("kind", vocab.Term{Code: string(o.Kind)})
			for _, x := range append(append(append([]vocab.Term{o.Form, o.Frequency, o.Level, o.Quality, o.Source, o.Importance, o.Charge.Model, o.Registration}, o.Themes...), o.Industry...), o.Region...) {
				if x.Code == "" || strings.Contains(x.Code, ":") || x.Label["zh"] == "" || x.Label["en"] == "" {
					t.Errorf("%s: %+v is not of a national list", id, x)
				}
			}
			open += count(vocab.AudienceOf(o, vocab.AudiencePublic) == vocab.AudiencePublic)
			codes += count(len(o.Identifiers) > 0)
			policies += count(o.Policy.Present && len(o.Policy.Actions) > 0)
			priced += count(o.Charge.Price != "")
			boxes += count(o.Spatial != nil)
			periods += count(o.Temporal != nil)
			personal += count(o.PersonalData != nil && *o.PersonalData)
		}
		if mine < 15 {
			t.Errorf("%s: %d offerings accepted, want at least 15", s.Slug, mine)
		}
	}
	t.Logf("%d accepted, %d open to all, %d with product codes, %d with policies, %d priced, %d with extents, %d with periods", accepted, open, codes, policies, priced, boxes, periods)
	if accepted < 90 || open < 90 || codes < 60 || policies < 80 || priced < 20 || boxes < 15 || periods < 8 || personal < 3 {
		t.Error("too few of something, see the line above")
	}
	all := func(list *vocab.CodeList, not ...string) (codes []string) {
		for _, x := range list.All() {
			if !strings.Contains(" "+strings.Join(not, " ")+" ", " "+x.Code+" ") {
				codes = append(codes, x.Code)
			}
		}
		return codes
	}
	sections := strings.Split("A B C D E F G H I J K L M N O P Q R S T", " ")
	for name, want := range map[string][]string{
		"theme": all(vocab.Themes), "scene": all(vocab.Scenes), "form": all(vocab.Forms), "frequency": all(vocab.Frequencies),
		"level": all(vocab.Levels, "004", "005"), "quality": all(vocab.Qualities), "source": all(vocab.Sources), "charging": all(vocab.Charging),
		"registration": all(vocab.Registrations), "importance": all(vocab.Importances, "core"), "industry": sections,
		"region": {"3100", "3200", "3300", "3400", "3201", "3205", "3301", "3302", "3401", "3402"},
		"kind":   {"dataset", "resource", "product", "service"},
	} {
		for _, c := range want {
			if !used[name][c] {
				t.Errorf("no offering has %s %s", name, c)
			}
		}
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// fictional codes have organisation numbers below one hundred, which were
// never given out.
var fictional = regexp.MustCompile(`^(12|51|52|91|93)[0-9]{6}000000[0-9]{2}[0-9X][0-9A-Z]$`)

func TestNoCodeOfTheCorpus(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join("..", "..", "..", "..", "shared", "corpus", "*.gz"))
	if len(files) == 0 {
		t.Skip("../shared/corpus is absent")
	}
	code := regexp.MustCompile(`\b[0-9A-Z]{18}\b`)
	mine := map[string]bool{}
	for _, s := range spaces(t) {
		for _, raw := range append(s.Offerings, s.Descriptor) {
			for _, c := range code.FindAllString(string(raw), -1) {
				mine[c] = true
			}
		}
	}
	if len(mine) < 25 {
		t.Fatalf("%d codes found in the demonstration data", len(mine))
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range code.FindAll(text, -1) {
			if mine[string(c)] {
				t.Errorf("%s is in %s", c, name)
			}
		}
	}
}

// What a visitor is likely to try first finds something.
func TestObviousWords(t *testing.T) {
	read := reader(t)
	found := map[string]int{"地铁": 0, "海关": 0, "企业信用": 0, "交通流量": 0, "电力负荷": 0, "集装箱": 0, "ridership": 0}
	for _, s := range spaces(t) {
		for _, raw := range s.Offerings {
			g, err := read(raw)
			if err != nil || vocab.AudienceOf(g.Offering, vocab.AudiencePublic) != vocab.AudiencePublic {
				continue
			}
			o := g.Offering
			text := o.Title["zh"] + "\n" + o.Description["zh"] + "\n" + strings.Join(o.Keywords["zh"], "\n") + "\n" + strings.Join(o.Keywords["en"], "\n")
			for w := range found {
				found[w] += count(strings.Contains(text, w))
			}
		}
	}
	for w, n := range found {
		if n == 0 {
			t.Errorf("nothing for %s", w)
		}
	}
	t.Log(found)
}
