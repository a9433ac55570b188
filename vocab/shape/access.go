package shape

import (
	"math"
	"strconv"
	"strings"

	"lianmu/vocab"
)

const mostAccess = 500 // distributions, and services, of one offering

// access reads the ways to get the data: distributions, the services behind
// them, and what plain descriptions put straight on the offering.
func (rd *reading) access(s subject, c class, o *vocab.Offering) {
	for _, v := range rd.values(s, "distribution") {
		if len(o.Distributions) == mostAccess {
			rd.refuse(v.at, "shape.many", "分发最多 %d 个：请拆成几条描述。", "At most %d distributions are allowed: split the description.", mostAccess)
			break
		}
		n, ok := rd.node(v)
		if !ok { // an address in place of a node
			if l := rd.linkOf(v); l != "" {
				o.Distributions = append(o.Distributions, vocab.Distribution{AccessURL: l})
			}
			continue
		}
		d := rd.distribution(n)
		d.ID = rd.keepIRI(v.id(), v.at)
		o.Distributions = append(o.Distributions, d)
		rd.services(n, o)
	}
	for _, v := range rd.values(s, "dataDump") {
		if l := rd.linkOf(v); l != "" && len(o.Distributions) < mostAccess {
			o.Distributions = append(o.Distributions, vocab.Distribution{DownloadURL: l})
		}
	}
	if own := rd.distribution(s); own.AccessURL != "" || own.DownloadURL != "" || own.Format != "" {
		own.Title, own.License = nil, ""
		o.Distributions = append(o.Distributions, own)
	}
	rd.services(s, o)
	if l := rd.link(s, "endpointURL"); l != "" || c == classService {
		o.Services = append(o.Services, vocab.ServiceEndpoint{EndpointURL: l, ConformsTo: rd.line(s, "conformsTo")})
		if l == "" {
			o.Services = o.Services[:len(o.Services)-1]
		}
	}
	rd.reverseServices(s, o)
}

func (rd *reading) distribution(n subject) vocab.Distribution {
	d := vocab.Distribution{
		Title:       rd.ownTitle(n),
		AccessURL:   rd.link(n, "accessURL"),
		DownloadURL: rd.link(n, "downloadURL"),
	}
	if rd.has(n, "license") {
		d.License = rd.line(n, "license")
	}
	d.MediaType = mediaType(rd.line(n, "mediaType"))
	format := rd.line(n, "format")
	if strings.Contains(format, "/") && d.MediaType == "" {
		d.MediaType = mediaType(format)
	}
	d.Format = rd.format(format, d.MediaType)
	d.Bytes = rd.byteSize(n)
	return d
}

// ownTitle is read for parts only: the offering's title is read once, as the
// required field that it is.
func (rd *reading) ownTitle(n subject) vocab.Text {
	if n.at.up == nil {
		return nil
	}
	return rd.textOf(n, "title", labelLimit, false)
}

// mediaType is a bare media type, out of a parameterised one or an IANA IRI.
func mediaType(s string) string {
	for _, ns := range []string{"https://www.iana.org/assignments/media-types/", "http://www.iana.org/assignments/media-types/"} {
		s = strings.TrimPrefix(s, ns)
	}
	s, _, _ = strings.Cut(s, ";")
	s = strings.ToLower(strings.TrimSpace(s))
	if strings.Count(s, "/") != 1 || strings.ContainsAny(s, " :") {
		return ""
	}
	return s
}

// format is a short name: the last part of an IRI, the name for a media type,
// or what the source says, in capitals where it is a short word.
func (rd *reading) format(s, media string) string {
	switch {
	case mediaType(s) != "":
		s = rd.p.formats[mediaType(s)]
	case looksLikeIRI(s):
		_, s = splitIRI(strings.TrimRight(s, "/"))
	}
	if s == "" {
		s = rd.p.formats[media]
	}
	if len(s) <= 20 {
		s = strings.ToUpper(s) // leaves Chinese as it is
	}
	return s
}

func (rd *reading) byteSize(n subject) int64 {
	for _, v := range rd.values(n, "byteSize") {
		x, _ := v.literal()
		switch x := x.(type) {
		case float64:
			if x >= 0 && x < math.MaxInt64 && x == math.Trunc(x) {
				return int64(x)
			}
		case string:
			x = strings.TrimSpace(x)
			if b, err := strconv.ParseInt(x, 10, 64); err == nil && b >= 0 {
				return b
			}
			if f, err := strconv.ParseFloat(x, 64); err == nil && f >= 0 && f < math.MaxInt64 && f == math.Trunc(f) {
				return int64(f)
			}
		}
		rd.wrongType(v, "字节数（不小于零的整数）", "a number of bytes, zero or more")
	}
	return 0
}

// services reads the services that n's accessService names.
func (rd *reading) services(n subject, o *vocab.Offering) {
	for _, v := range rd.values(n, "accessService") {
		e := vocab.ServiceEndpoint{}
		if sn, ok := rd.node(v); ok {
			e = rd.endpoint(sn)
			e.ID = rd.keepIRI(v.id(), v.at)
		} else {
			e.EndpointURL = rd.linkOf(v) // an address in place of a node
		}
		if !rd.addService(e, v.at, o) {
			return
		}
	}
}

// reverseServices finds services elsewhere in the graph that say they serve
// this dataset.
func (rd *reading) reverseServices(s subject, o *vocab.Offering) {
	rev, _ := s.node["@reverse"].(map[string]any)
	for _, iri := range rd.p.fields["servesDataset"] {
		for _, v := range appendValues(nil, &place{up: s.at, iri: "@reverse", n: 1}, iri, rev[iri]) {
			if sn, ok := rd.node(v); ok {
				e := rd.endpoint(sn)
				e.ID = rd.keepIRI(v.id(), v.at)
				if !rd.addService(e, v.at, o) {
					return
				}
			}
		}
	}
}

func (rd *reading) endpoint(n subject) vocab.ServiceEndpoint {
	return vocab.ServiceEndpoint{
		Title:       rd.textOf(n, "title", labelLimit, false),
		EndpointURL: rd.link(n, "endpointURL"),
		ConformsTo:  rd.line(n, "conformsTo"),
	}
}

// addService adds e unless it is there already or says nothing; false at the
// bound.
func (rd *reading) addService(e vocab.ServiceEndpoint, at place, o *vocab.Offering) bool {
	if e.ID == "" && e.EndpointURL == "" && len(e.Title) == 0 {
		return true
	}
	for _, have := range o.Services {
		if e.ID != "" && have.ID == e.ID || e.ID == "" && have.ID == "" && have.EndpointURL == e.EndpointURL {
			return true
		}
	}
	if len(o.Services) == mostAccess {
		rd.refuse(at, "shape.many", "服务最多 %d 个：请拆成几条描述。", "At most %d services are allowed: split the description.", mostAccess)
		return false
	}
	o.Services = append(o.Services, e)
	return true
}
