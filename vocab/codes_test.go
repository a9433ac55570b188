package vocab

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func allLists() []*CodeList {
	return []*CodeList{Themes, Scenes, Industries, Regions, Forms, Frequencies, Levels, Qualities, Sources,
		Classifications, SpaceTypes, Roles, Charging, Delivery, Circulation, Registrations, Importances}
}

func TestFind(t *testing.T) {
	tests := []struct {
		list *CodeList
		in   string
		want string // "" for not found
	}{
		{Regions, "上海", "3100"}, {Regions, "上海市", "3100"}, {Regions, "Shanghai", "3100"}, {Regions, " SHANGHAI City ", "3100"},
		{Regions, "31", "3100"}, {Regions, "3100", "3100"}, {Regions, "３１００", "3100"}, {Regions, "310115", "3100"}, {Regions, "310115007", "3100"},
		{Regions, "沪", "3100"}, {Regions, "3201", "3201"}, {Regions, "320102", "3201"}, {Regions, "南京", "3201"}, {Regions, "江苏省南京市", "3201"},
		{Regions, "江苏苏州", "3205"}, {Regions, "Suzhou", "3205"}, {Regions, "宿州", "3413"}, {Regions, "Taizhou", ""}, {Regions, "台州市", "3310"},
		{Regions, "3301", "3301"}, {Regions, "合肥市", "3401"}, {Regions, "内蒙古", "1500"}, {Regions, "广西壮族自治区", "4500"}, {Regions, "Xi'an", "6101"},
		{Regions, "吉林", "2200"}, {Regions, "中国上海", "3100"}, {Regions, "4419", "4400"}, {Regions, "9900", ""}, {Regions, "London", ""},
		{Regions, "Zhejiang Province", "3300"}, {Regions, "香港", "8100"}, {Regions, "省", ""}, {Regions, "市", ""},

		{Industries, "I", "I"}, {Industries, "i", "I"}, {Industries, "65", "65"}, {Industries, "0065", "65"}, {Industries, "I65", "65"},
		{Industries, "I6510", "65"}, {Industries, "6510", "65"}, {Industries, "C65", ""}, {Industries, "98", ""}, {Industries, "0098", ""},
		{Industries, "软件和信息技术服务业", "65"}, {Industries, "制造业", "C"}, {Industries, "农林牧渔业", "A"}, {Industries, "教育", "P"},
		{Industries, "Manufacturing", "C"}, {Industries, "房地产业", "K"}, {Industries, "01", "01"}, {Industries, "1", ""},

		{Frequencies, "每日", "002"}, {Frequencies, "daily", "002"}, {Frequencies, "R/P1D", "002"}, {Frequencies, "002", "002"},
		{Frequencies, "http://publications.europa.eu/resource/authority/frequency/DAILY", "002"},
		{Frequencies, "http://publications.europa.eu/resource/authority/frequency/IRREG", "008"},
		{Frequencies, "http://publications.europa.eu/resource/authority/frequency/ANNUAL_2", "006"},
		{Frequencies, "http://publications.europa.eu/resource/authority/frequency/UNKNOWN", ""},
		{Frequencies, "http://publications.europa.eu/resource/authority/frequency/CONT", "001"},
		{Frequencies, "http://purl.org/cld/freq/monthly", "004"}, {Frequencies, "http://purl.org/linked-data/sdmx/2009/code#freq-Q", "005"},
		{Frequencies, "irregular", "008"}, {Frequencies, "continuous", "001"}, {Frequencies, "annual", "007"}, {Frequencies, "每月更新", "004"},
		{Frequencies, "quarterly", "005"}, {Frequencies, "as needed", "008"}, {Frequencies, "never", "009"}, {Frequencies, "R/P3M", "005"}, {Frequencies, "sometimes", ""},

		{Themes, "交通运输", "B0300"}, {Themes, "b0300", "B0300"}, {Themes, "Ｂ０３００", "B0300"}, {Themes, "Transport", "B0300"}, {Themes, "占星", ""},
		{Scenes, "文旅", "T0400"}, {Forms, "API 产品", "002"}, {Forms, "api", "002"}, {Levels, "公开", "001"}, {Levels, "top-secret", "005"},
		{Qualities, "Ａ级", "001"}, {Qualities, "b", "002"}, {Sources, "交易取得", "003"}, {Classifications, "行业", "002"},
		{SpaceTypes, "城市", "city"}, {SpaceTypes, "Cross-border", "cross-border"}, {Roles, "数据提供方", "provider"}, {Charging, "一事一议", "negotiated"},
		{Charging, "按次", "count"}, {Delivery, "文件传输", "file"}, {Circulation, "授权运营", "authorised"}, {Registrations, "已登记", "registered"},
		{Importances, "重要数据", "important"}, {Importances, "核心", "core"}, {Themes, "", ""}, {Themes, "  ", ""}, {Themes, strings.Repeat("公", 100000), ""},
	}
	for _, tt := range tests {
		got, ok := tt.list.Find(tt.in)
		if got.Code != tt.want || ok != (tt.want != "") {
			t.Errorf("%s.Find(%.40q) = %q, %v, want %q", tt.list.Name, tt.in, got.Code, ok, tt.want)
		}
	}
}

func TestListsAreWhole(t *testing.T) {
	counts := map[string]int{"Themes": 24, "Scenes": 20, "Industries": 20 + 97, "Forms": 6, "Frequencies": 9, "Levels": 5, "Qualities": 4,
		"Sources": 4, "Classifications": 4, "SpaceTypes": 5, "Roles": 10, "Charging": 5, "Delivery": 3, "Circulation": 3, "Registrations": 7, "Importances": 3}
	if len(lists) != len(allLists()) {
		t.Errorf("%d lists in the tables, %d exported", len(lists), len(allLists()))
	}
	provinces := 0
	for _, r := range Regions.All() {
		if strings.HasSuffix(r.Code, "00") {
			provinces++
		}
	}
	if provinces != 34 {
		t.Errorf("%d provinces, want 34", provinces)
	}
	for _, l := range allLists() {
		if l.Title["zh"] == "" || l.Title["en"] == "" {
			t.Errorf("%s has no title", l.Name)
		}
		if want, ok := counts[l.Name]; ok && len(l.All()) != want {
			t.Errorf("%s has %d terms, want %d", l.Name, len(l.All()), want)
		}
		for _, term := range l.All() {
			if term.Label["zh"] == "" || term.Label["en"] == "" {
				t.Errorf("%s %s lacks a label", l.Name, term.Code)
			}
			if got, ok := l.Find(term.Code); !ok || got.Code != term.Code {
				t.Errorf("%s.Find(%q) = %q", l.Name, term.Code, got.Code)
			}
			for lang, label := range term.Label {
				// Where two terms share a name, the earlier, wider one has it.
				if got, ok := l.Find(label); !ok || got.Label[lang] != label {
					t.Errorf("%s.Find(%q) = %q, want %q", l.Name, label, got.Code, term.Code)
				}
			}
		}
	}
}

func TestLabelsAreCopies(t *testing.T) {
	first, _ := Levels.Find("001")
	first.Label["zh"] = "改了"
	Levels.Label("001")["zh"] = "改了"
	Levels.All()[0].Label["zh"] = "改了"
	KindLabel(Dataset)["zh"] = "改了"
	if again, _ := Levels.Find("001"); again.Label["zh"] != "公开" || KindLabel(Dataset)["zh"] != "数据集" {
		t.Error("a caller changed the list")
	}
	if Levels.Label("999") != nil || KindLabel("thing") != nil {
		t.Error("an unknown code has a label")
	}
}

func TestParseKind(t *testing.T) {
	for in, want := range map[string]OfferingKind{"dataset": Dataset, "数据产品": Product, "Data Service": Service, " 数据资源 ": Resource, "thing": "", "": ""} {
		if got, ok := ParseKind(in); got != want || ok != (want != "") {
			t.Errorf("ParseKind(%q) = %q, %v", in, got, ok)
		}
	}
}

func TestReadTableRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"term before a list": "a | b | c", "no English": "[L] 甲 | A\na | b", "code twice": "[L] 甲 | A\na|b|c\na|d|e",
		"list twice": "[L] 甲 | A\n[L] 乙 | B", "no title": "[L]", "empty code": "[L] 甲 | A\n | b | c", "too many parts": "[L] 甲 | A\na|b|c|d|e",
	} {
		if err := readTable(text, make(map[string]*CodeList)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// However a term is written, with other width, case and spaces, it is found.
func TestFindFolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := rapid.SampledFrom(allLists()).Draw(t, "list")
		term := rapid.SampledFrom(l.All()).Draw(t, "term")
		written := strings.Map(func(r rune) rune {
			if r > ' ' && r <= '~' && rapid.Bool().Draw(t, "wide") {
				return r - '!' + '！'
			}
			return r
		}, term.Code)
		if rapid.Bool().Draw(t, "lower") {
			written = strings.ToLower(written)
		}
		written = rapid.SampledFrom([]string{"", " ", "　", "\t"}).Draw(t, "space") + written + " "
		if got, ok := l.Find(written); !ok || got.Code != term.Code {
			t.Fatalf("%s.Find(%q) = %q, want %q", l.Name, written, got.Code, term.Code)
		}
	})
}

func FuzzFind(f *testing.F) {
	for _, s := range []string{"上海市", "I6510", "http://purl.org/cld/freq/daily", "310115", "\xff", "00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, l := range allLists() {
			if term, ok := l.Find(s); ok && l.Label(term.Code) == nil {
				t.Errorf("%s.Find(%q) = %q, which is not in the list", l.Name, s, term.Code)
			}
		}
		ParseKind(s)
	})
}
