package shape

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lianmu/vocab"
)

func TestFold(t *testing.T) {
	for tag, want := range map[string]string{
		"zh": "zh", "zh-CN": "zh", "zh-Hans": "zh", "ZH-hans-cn": "zh", "zh_SG": "zh", "cmn-Hans": "zh", "zho": "zh",
		"zh-Hant": "zh-hant", "zh-TW": "zh-hant", "zh-HK": "zh-hant", "zh-MO": "zh-hant", "zh-Hant-CN": "zh-hant", "zh-Hans-HK": "zh",
		"en": "en", "en-GB": "en", "eng": "en", "fr-CA": "fr", "yue": "yue", "x-private": "", "native": "", "": "", "und": "", "mul": "", "@value": "", "e1": "",
	} {
		got, ok := fold(tag)
		if got != want || ok != (want != "") {
			t.Errorf("fold(%q) = %q, %v, want %q", tag, got, ok, want)
		}
	}
}

func TestGuess(t *testing.T) {
	for text, want := range map[string]string{
		"港口": "zh", "Port 港口": "zh", "港口のデータ": "und", "データ": "und", "한국 港": "und", "ｶﾅ 港": "und", "Port": "und", "": "und", "𠀀": "zh", "2026—2027": "und",
	} {
		if got := guess(text); got != want {
			t.Errorf("guess(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestParseDate(t *testing.T) {
	utc := func(y int, m time.Month, d, h, mi, s, ns int) time.Time {
		return time.Date(y, m, d, h, mi, s, ns, time.UTC)
	}
	for in, want := range map[string]time.Time{
		"2026-01-31":                        utc(2026, 1, 31, 0, 0, 0, 0),
		"2026-1-3":                          utc(2026, 1, 3, 0, 0, 0, 0),
		"2026/01/31":                        utc(2026, 1, 31, 0, 0, 0, 0),
		"2026.1.31":                         utc(2026, 1, 31, 0, 0, 0, 0),
		"20260131":                          utc(2026, 1, 31, 0, 0, 0, 0),
		"2026年1月31日":                        utc(2026, 1, 31, 0, 0, 0, 0),
		"2026年1月":                           utc(2026, 1, 1, 0, 0, 0, 0),
		"2026年":                             utc(2026, 1, 1, 0, 0, 0, 0),
		"2026":                              utc(2026, 1, 1, 0, 0, 0, 0),
		"2026-02":                           utc(2026, 2, 1, 0, 0, 0, 0),
		"2026-01-31T08:00:00+08:00":         utc(2026, 1, 31, 0, 0, 0, 0),
		"2026-01-31T08:00:00.25Z":           utc(2026, 1, 31, 8, 0, 0, 250_000_000),
		"2026-01-31 08:00":                  utc(2026, 1, 31, 8, 0, 0, 0),
		"2026-01-31T24:00:00":               utc(2026, 2, 1, 0, 0, 0, 0),
		"2026-01-31Z":                       utc(2026, 1, 31, 0, 0, 0, 0),
		"2022-11-14 17:24:50.123456+00:00":  utc(2022, 11, 14, 17, 24, 50, 123_456_000),
		" 2026-01-31T00:00:00-0500 ":        utc(2026, 1, 31, 5, 0, 0, 0),
		"9999-12-31T23:59:59Z":              utc(9999, 12, 31, 23, 59, 59, 0),
		"0001-01-01":                        utc(1, 1, 1, 0, 0, 0, 0),
		"2024-02-29T23:59:60Z":              utc(2024, 3, 1, 0, 0, 0, 0),
		"2026-01-31T08:00:00.123456789Z":    utc(2026, 1, 31, 8, 0, 0, 123_456_789),
		"2026-01-31T08:00:00+14:00":         utc(2026, 1, 30, 18, 0, 0, 0),
		"2026年01月31日 08:00:00":              utc(2026, 1, 31, 8, 0, 0, 0),
		"2026-01-31T08:00:00.000000 +00:00": utc(2026, 1, 31, 8, 0, 0, 0),
	} {
		got, _, bad := parseDate(in)
		if bad != dateOK || !got.Equal(want) {
			t.Errorf("parseDate(%q) = %v, %v, want %v", in, got, bad, want)
		}
	}
	for in, want := range map[string]dateError{
		"": dateForm, "soon": dateForm, "R/P1D": dateForm, "12/31/2026": dateForm, "2026-01-31T": dateForm, "2026T08:00": dateForm,
		"20261": dateRange, "0000-01-01": dateRange, "-0044-03-15": dateRange, "12345-01-01": dateRange, "2026-13-01": dateRange, "2026-02-30": dateRange,
		"2026-01-31T25:00:00": dateRange, "2026-01-31T08:61:00": dateRange, "2026-01-01T00:00:00+15:00": dateRange, "9999-12-31T23:00:00-02:00": dateRange,
		"2026-00-01": dateRange, "20260230": dateRange, strings.Repeat("2", 65): dateForm,
	} {
		if _, _, bad := parseDate(in); bad != want {
			t.Errorf("parseDate(%q) = %v, want %v", in, bad, want)
		}
	}
}

// Every moment that RFC 3339 can write is read back.
func TestParseDateRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "offset"))
		want := time.Unix(rapid.Int64Range(-60000000000, 250000000000).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).In(zone)
		if want.UTC().Year() < 1 || want.UTC().Year() > 9999 || want.Year() < 1 || want.Year() > 9999 {
			t.Skip()
		}
		got, _, bad := parseDate(want.Format(time.RFC3339Nano))
		if bad != dateOK || got.Sub(want).Abs() > 1 { // a nanosecond, for the fraction
			t.Errorf("%v read as %v, %v", want, got, bad)
		}
	})
}

func TestPeriods(t *testing.T) {
	d := func(y int, m time.Month, day int) time.Time { return time.Date(y, m, day, 0, 0, 0, 0, time.UTC) }
	for in, want := range map[string]vocab.Period{
		`"2020-01-01/2025-12-31"`: {Start: d(2020, 1, 1), End: d(2025, 12, 31)},
		`"2020/2021"`:             {Start: d(2020, 1, 1), End: d(2021, 12, 31)},
		`"2020-02/2020-02"`:       {Start: d(2020, 2, 1), End: d(2020, 2, 29)},
		`"../2021"`:               {End: d(2021, 12, 31)},
		`"2020-05-01/.."`:         {Start: d(2020, 5, 1)},
		`"2020-05-01/"`:           {Start: d(2020, 5, 1)},
		`"2020-01-01/P1Y"`:        {Start: d(2020, 1, 1), End: d(2021, 1, 1)},
		`"2020年1月至2023年6月"`:       {Start: d(2020, 1, 1), End: d(2023, 6, 30)},
		`"2018—2023年"`:            {Start: d(2018, 1, 1), End: d(2023, 12, 31)},
		`"2018-2023"`:             {Start: d(2018, 1, 1), End: d(2023, 12, 31)},
		`"2020年5月至今"`:             {Start: d(2020, 5, 1)},
		`"2020/1/1至2020/3/1"`:     {Start: d(2020, 1, 1), End: d(2020, 3, 1)},
		`"2021"`:                  {Start: d(2021, 1, 1), End: d(2021, 12, 31)},
		`"start=2020-01-01; end=2020-12-31; name=x"`:     {Start: d(2020, 1, 1), End: d(2020, 12, 31)},
		`{"startDate":"2020-01-01","endDate":"2020-12"}`: {Start: d(2020, 1, 1), End: d(2020, 12, 31)},
		`{"开始时间":"2020-01-01"}`:                          {Start: d(2020, 1, 1)},
		`["2020/2021","2015/2016"]`:                      {Start: d(2015, 1, 1), End: d(2021, 12, 31)},
		`{"@value":"2020","@type":"xsd:gYear"}`:          {Start: d(2020, 1, 1), End: d(2020, 12, 31)},
		`{"http://www.w3.org/2006/time#hasBeginning":{"http://www.w3.org/2006/time#inXSDDate":"2020-01-02"}}`: {Start: d(2020, 1, 2)},
	} {
		rd := accept(t, doc(`"temporal":`+in))
		if p := rd.Offering.Temporal; p == nil || !p.Start.Equal(want.Start) || !p.End.Equal(want.End) {
			t.Errorf("%s: %+v, want %+v; %v", in, p, want, codes(rd.Warnings))
		}
	}
}

func TestBoxes(t *testing.T) {
	want := vocab.Box{West: 120.5, South: 30, East: 122, North: 31.5}
	for _, in := range []string{
		`"bbox":"120.5,30,122,31.5"`,
		`"经纬度范围":"120.5 30 122 31.5"`,
		`"spatial":{"bbox":"POLYGON((120.5 30,122 30,122 31.5,120.5 31.5,120.5 30))"}`,
		`"spatial":{"bbox":{"@value":"<http://www.opengis.net/def/crs/OGC/1.3/CRS84> POLYGON Z((120.5 30 1,122 30 1,122 31.5 2,120.5 31.5 1,120.5 30 1))","@type":"geo:wktLiteral"}}`,
		`"spatial":{"bbox":"<http://www.opengis.net/def/crs/EPSG/0/4326> POLYGON((30 120.5,30 122,31.5 122,31.5 120.5,30 120.5))"}`,
		`"spatial":{"bbox":"MULTIPOLYGON(((120.5 30,121 30,121 31,120.5 30)),((121.5 31,122 31,122 31.5,121.5 31)))"}`,
		`"spatial":{"bbox":"ENVELOPE(120.5,122,31.5,30)"}`,
		`"spatial":"POLYGON((120.5 30,122 30,122 31.5,120.5 31.5,120.5 30))"`,
		`"spatial":{"locn:geometry":"{\"type\":\"Polygon\",\"coordinates\":[[[120.5,30],[122,30],[122,31.5],[120.5,30]]]}"}`,
		`"spatial":{"locn:geometry":"{\"type\":\"Polygon\",\"bbox\":[120.5,30,122,31.5],\"coordinates\":[]}"}`,
		`"schema:spatialCoverage":{"@type":"schema:Place","schema:geo":{"@type":"schema:GeoShape","schema:box":"30 120.5 31.5 122"}}`,
		`"schema:spatialCoverage":{"schema:geo":{"schema:polygon":"30,120.5 30,122 31.5,122 31.5,120.5 30,120.5"}}`,
		`"spatial":[{"bbox":"120.5,30,121,31"},{"bbox":"121,31,122,31.5"}]`,
		`"spatial":{"geo:hasGeometry":{"geo:asWKT":"POLYGON((1.205e2 30,122 30,122 31.5,120.5 31.5,120.5 30))"}}`,
	} {
		rd := accept(t, doc(in))
		if b := rd.Offering.Spatial; b == nil || *b != want {
			t.Errorf("%s: %+v, %v", in, b, codes(rd.Warnings))
		}
	}
	rd := accept(t, doc(`"schema:spatialCoverage":{"schema:name":"外滩","schema:geo":{"schema:latitude":31.24,"schema:longitude":"121.49"}}`))
	if b := rd.Offering.Spatial; b == nil || b.West != 121.49 || b.North != 31.24 {
		t.Errorf("%+v", b)
	}
	if r := rd.Offering.Region; len(r) != 1 || r[0].Label["zh"] != "外滩" {
		t.Errorf("%+v", r)
	}
	for _, in := range []string{`"bbox":"POLYGON EMPTY"`, `"bbox":"1,2,3"`, `"bbox":"POLYGON((a b,c d))"`, `"bbox":"{"`, `"bbox":"1,2,3,4e999"`, `"bbox":"NaN,1,2,3"`} {
		rd := accept(t, doc(in))
		if rd.Offering.Spatial != nil || find(rd.Warnings, "geo.form") == nil {
			t.Errorf("%s: %+v, %v", in, rd.Offering.Spatial, codes(rd.Warnings))
		}
	}
}

func TestKeywords(t *testing.T) {
	for in, want := range map[string]vocab.Texts{
		`"港口，物流、集装箱;船期"`:                                 {"zh": {"港口", "物流", "集装箱", "船期"}},
		`"port, logistics; ships"`:                       {"und": {"port", "logistics", "ships"}},
		`["Washington, D.C.","ports"]`:                   {"und": {"Washington, D.C.", "ports"}},
		`["港口、物流","船"]`:                                  {"zh": {"港口", "物流", "船"}},
		`{"zh":"港口,物流","en":["a, b","c"]}`:               {"zh": {"港口", "物流"}, "en": {"a, b", "c"}},
		`["a","a"," a ","A",""]`:                         {"und": {"a", "A"}},
		`[{"@id":"urn:x:c","prefLabel":{"zh":"港口，作业"}}]`: {"zh": {"港口，作业"}},
	} {
		rd := accept(t, doc(`"keyword":`+in))
		got := rd.Offering.Keywords
		if len(got) != len(want) {
			t.Errorf("%s: %v", in, got)
		}
		for l, list := range want {
			if strings.Join(got[l], "|") != strings.Join(list, "|") {
				t.Errorf("%s: %s %q, want %q", in, l, got[l], list)
			}
		}
	}
}

func TestCheckIRI(t *testing.T) {
	for _, ok := range []string{"urn:uuid:1", "did:key:z6Mk", "https://例子.example/路径?x=%20#f", "a:b", "x-y.z+1:q", "https://a.example/" + strings.Repeat("a", mostIRI-18)} {
		if why := checkIRI(ok); why != nil {
			t.Errorf("%q: %v", ok, why.en)
		}
	}
	for s, code := range map[string]string{
		"": "iri.relative", "x": "iri.relative", "1a:b": "iri.relative", "//h/p": "iri.relative", "_:b": "iri.relative", "a:": "iri.relative", "港:b": "iri.relative",
		"a: b": "iri.character", "a:\x7f": "iri.character", "a:<b>": "iri.character", "a:b\u2066": "iri.character", "a:\u3000": "iri.character", "a:\xff": "iri.character", "a:\u200e": "iri.character",
		"a:" + strings.Repeat("b", mostIRI): "iri.long",
	} {
		if why := checkIRI(s); why == nil || why.code != code {
			t.Errorf("%q: %+v, want %s", s, why, code)
		}
	}
}

func TestPersonalCodeInText(t *testing.T) {
	for s, want := range map[string]bool{
		personal: true, "号" + personal + "。": true, "a " + strings.ToLower(personal) + " b": true,
		"x" + personal: false, personal + "1": false, personal[:17] + "1": false, "": false, strings.Repeat("1", 400): false,
	} {
		if got := hasPersonalCode(s); got != want {
			t.Errorf("hasPersonalCode(%q) = %v", s, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		before, after := rapid.StringMatching(`[a-z港 .]{0,40}[港 .]`).Draw(t, "before"), rapid.StringMatching(`[港 .][a-z港 .]{0,40}`).Draw(t, "after")
		if !hasPersonalCode(before + personal + after) {
			t.Errorf("overlooked in %q", before+personal+after)
		}
	})
}

// What isClean lets pass, scrub would not change.
func TestIsCleanAgreesWithScrub(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := strings.TrimSpace(rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.RuneFrom([]rune("a港\n\r\t\x00\x85\u2028\u202e\u2066\u00a0\ufffd")))).Draw(t, "s"))
		lines := rapid.Bool().Draw(t, "lines")
		rd := &reading{}
		got, ok := rd.scrub(s, place{}, lines)
		if isClean(s, lines) && (!ok || got != s) {
			t.Errorf("isClean(%q), scrub gives %q %v", s, got, ok)
		}
		if ok && !isClean(got, lines) && !strings.ContainsRune(got, '\ufffd') {
			t.Errorf("scrub(%q) = %q is not clean", s, got)
		}
	})
}
