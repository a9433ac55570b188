package shape

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"lianmu/vocab"
)

// maxGeometry bounds the text of a geometry, in bytes; what is longer is left
// out, for only its box is wanted.
const maxGeometry = 128 << 10

// extent reads the spatial extent and, as terms, the places named beside it.
// Several extents become the box around them all.
func (rd *reading) extent(s subject) (*vocab.Box, []value) {
	var box *vocab.Box
	var places []value
	add := func(b *vocab.Box) {
		switch {
		case b == nil:
		case box == nil:
			box = b
		default:
			box = &vocab.Box{West: min(box.West, b.West), South: min(box.South, b.South), East: max(box.East, b.East), North: max(box.North, b.North)}
		}
	}
	for _, v := range rd.values(s, "bbox") { // straight on the offering, as plain keys allow
		add(rd.boxOf(v, false))
	}
	for _, v := range rd.values(s, "spatial") {
		if text, _, ok := v.text(); ok && looksLikeWKT(text) {
			add(rd.boxOf(v, false))
			continue
		}
		places = append(places, v)
		if n, ok := rd.node(v); ok {
			add(rd.boxIn(n, 2))
		}
	}
	return box, places
}

// boxIn reads a place's box; depth is how many nodes of geometry may nest.
func (rd *reading) boxIn(n subject, depth int) *vocab.Box {
	for _, v := range rd.values(n, "bbox") {
		if g, ok := rd.node(v); ok {
			if b := rd.boxNested(g, depth); b != nil {
				return b
			}
			continue
		}
		if b := rd.boxOf(v, false); b != nil {
			return b
		}
	}
	for _, v := range rd.values(n, "box") {
		if b := rd.boxOf(v, true); b != nil {
			return b
		}
	}
	lat, lon := rd.line(n, "latitude"), rd.line(n, "longitude")
	if lat != "" && lon != "" {
		y, err1 := strconv.ParseFloat(lat, 64)
		x, err2 := strconv.ParseFloat(lon, 64)
		if err1 == nil && err2 == nil {
			return rd.checkBox(boxAround([]float64{x, y}, false), *n.at)
		}
	}
	for _, v := range rd.values(n, "geometry") {
		if g, ok := rd.node(v); ok {
			if b := rd.boxNested(g, depth); b != nil {
				return b
			}
		}
	}
	return nil
}

func (rd *reading) boxNested(n subject, depth int) *vocab.Box {
	if depth == 0 {
		return nil
	}
	return rd.boxIn(n, depth-1)
}

// boxOf reads a geometry in a literal: WKT (GeoSPARQL), GeoJSON, schema.org's
// "lat lon lat lon", or "west,south,east,north".
func (rd *reading) boxOf(v value, latFirst bool) *vocab.Box {
	text, _, ok := v.text()
	if !ok {
		rd.wrongType(v, "经纬度范围，例如 120.8,30.7,122.0,31.9", "an extent such as 120.8,30.7,122.0,31.9")
		return nil
	}
	if len(text) > maxGeometry {
		rd.warn(v.at, "geo.long", "几何图形过长，已略去：给出外接矩形即可。", "The geometry is too long and is left out; its bounding box is enough.")
		return nil
	}
	var box *vocab.Box
	switch {
	case strings.HasPrefix(strings.TrimSpace(text), "{"):
		box = boxOfGeoJSON(text)
	case latFirst:
		box = boxAround(numbers(text), true)
	case looksLikeWKT(text):
		box = boxOfWKT(text)
	default:
		if n := numbers(text); len(n) == 4 {
			box = boxAround(n, false)
		}
	}
	if box == nil {
		rd.warn(v.at, "geo.form", "看不懂的空间范围%[1]s，已略去：请写成 西,南,东,北，例如 120.8,30.7,122.0,31.9 。", "The extent %[1]s is not understood and is left out: write west,south,east,north, such as 120.8,30.7,122.0,31.9.", quote(text))
		return nil
	}
	return rd.checkBox(box, v.at)
}

func (rd *reading) checkBox(b *vocab.Box, at place) *vocab.Box {
	if b == nil {
		return nil
	}
	if b.West < -180 || b.East > 180 || b.South < -90 || b.North > 90 {
		rd.warn(at, "geo.range", "经度应在 -180 至 180、纬度应在 -90 至 90 之间，已略去。", "Longitudes must be within -180 to 180 and latitudes within -90 to 90; the extent is left out.")
		return nil
	}
	return b
}

func looksLikeWKT(s string) bool {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "<") {
		return true
	}
	i := strings.IndexByte(s, '(')
	if i < 0 {
		return false
	}
	kind, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(s[:i])), " ")
	switch kind {
	case "POINT", "POLYGON", "MULTIPOLYGON", "MULTIPOINT", "LINESTRING", "MULTILINESTRING", "ENVELOPE", "BOX":
		return true
	}
	return false
}

// boxOfWKT reads the box of a WKT geometry. In CRS84, the default of
// GeoSPARQL, longitude comes first; a text that names EPSG:4326 has latitude
// first. ENVELOPE is west, east, north, south.
func boxOfWKT(s string) *vocab.Box {
	s = strings.TrimSpace(s)
	latFirst := false
	if strings.HasPrefix(s, "<") {
		crs, rest, ok := strings.Cut(s, ">")
		if !ok {
			return nil
		}
		latFirst, s = strings.HasSuffix(crs, "/4326"), strings.TrimSpace(rest)
	}
	i := strings.IndexByte(s, '(')
	if i < 0 {
		return nil
	}
	if strings.HasPrefix(strings.ToUpper(s), "ENVELOPE") {
		n := numbers(s[i:])
		if len(n) != 4 {
			return nil
		}
		return boxAround([]float64{n[0], n[3], n[1], n[2]}, false)
	}
	var xy []float64
	for tuple := range strings.SplitSeq(s[i:], ",") {
		n := numbers(tuple)
		if len(n) < 2 { // a third or fourth number is height or measure
			return nil
		}
		xy = append(xy, n[0], n[1])
	}
	return boxAround(xy, latFirst)
}

// boxOfGeoJSON reads the box of a GeoJSON geometry (RFC 7946).
func boxOfGeoJSON(s string) *vocab.Box {
	var g struct {
		BBox        []float64 `json:"bbox"`
		Coordinates any       `json:"coordinates"`
	}
	if json.Unmarshal([]byte(s), &g) != nil {
		return nil
	}
	if len(g.BBox) == 4 {
		return boxAround(g.BBox, false)
	}
	var xy []float64
	var walk func(v any, depth int)
	walk = func(v any, depth int) {
		list, ok := v.([]any)
		if !ok || depth == 0 || len(list) == 0 {
			return
		}
		if x, ok := list[0].(float64); ok {
			if len(list) >= 2 {
				if y, ok := list[1].(float64); ok {
					xy = append(xy, x, y)
				}
			}
			return
		}
		for _, e := range list {
			walk(e, depth-1)
		}
	}
	walk(g.Coordinates, 6)
	return boxAround(xy, false)
}

// numbers picks the numbers out of a text; nil where one is none.
func numbers(s string) []float64 {
	out := make([]float64, 0, 4)
	for i := 0; i < len(s); {
		if !inNumber(s[i]) {
			i++
			continue
		}
		j := i
		for j < len(s) && (inNumber(s[j]) || j > i && (s[j] == 'e' || s[j] == 'E')) {
			j++
		}
		x, err := strconv.ParseFloat(s[i:j], 64)
		if err != nil {
			return nil
		}
		out, i = append(out, x), j
	}
	return out
}

func inNumber(c byte) bool { return c >= '0' && c <= '9' || c == '.' || c == '-' || c == '+' }

// boxAround is the box around pairs of coordinates, nil for none.
func boxAround(xy []float64, latFirst bool) *vocab.Box {
	if len(xy) < 2 || len(xy)%2 != 0 {
		return nil
	}
	b := &vocab.Box{West: math.Inf(1), South: math.Inf(1), East: math.Inf(-1), North: math.Inf(-1)}
	for i := 0; i < len(xy); i += 2 {
		x, y := xy[i], xy[i+1]
		if latFirst {
			x, y = y, x
		}
		b.West, b.East = min(b.West, x), max(b.East, x)
		b.South, b.North = min(b.South, y), max(b.North, y)
	}
	return b
}
