package vocab

import "slices"

// Reader is who looks at the catalogue, as far as it matters for what they may
// see. The zero Reader is the anonymous public.
type Reader struct {
	All    bool     // an office that sees everything, such as 监管
	Spaces []string // DIDs of the spaces that are theirs: their own, and those that admitted their organisation
}

// MaySee reports whether the reader may see something of this audience in this
// space. Until rules are mutually recognised, "recognised" means those of the
// same space. An unknown audience is nobody's but the space's own.
func (r Reader) MaySee(a Audience, space string) bool {
	return a == AudiencePublic || r.All || slices.Contains(r.Spaces, space)
}
