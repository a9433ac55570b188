package vocab

// audienceRank orders audiences from wide to narrow.
var audienceRank = map[Audience]int{AudiencePublic: 1, AudienceRecognised: 2, AudienceSpace: 3}

// NarrowerAudience returns the narrower of two audiences. An empty one says
// nothing, so the other stands; one that is neither empty nor known is taken
// as the narrowest.
func NarrowerAudience(a, b Audience) Audience {
	switch {
	case a == "":
		a, b = b, a
		fallthrough
	case b == "":
		if a != "" && audienceRank[a] == 0 {
			return AudienceSpace
		}
		return a
	case audienceRank[a] == 0 || audienceRank[b] == 0:
		return AudienceSpace
	case audienceRank[a] > audienceRank[b]:
		return a
	}
	return b
}

// levelAudience and importanceAudience say what a security level (NDI-TR-2025-06)
// and an importance (GB/T 43697-2024) mean for who may see an offering. What
// no hub may hold is here only so that nothing opens it by mistake.
var (
	levelAudience = map[string]Audience{
		"001": AudiencePublic,     // 公开
		"002": AudienceSpace,      // 内部
		"003": AudienceRecognised, // 敏感
		"004": AudienceSpace,      // 机密: refused long before
		"005": AudienceSpace,      // 绝密: refused long before
	}
	importanceAudience = map[string]Audience{
		"important": AudienceSpace, // 重要数据
		"core":      AudienceSpace, // 核心数据: refused long before
	}
)

// AudienceOf tells who may see an offering. What the document says explicitly
// (see SaidAudience) decides; fallback, the space's or hub's default, applies
// only where it says nothing. It fails closed: an unknown fallback means the
// offering's own space.
func AudienceOf(o *Offering, fallback Audience) Audience {
	return AudienceOr(SaidAudience(o), fallback)
}

// AudienceOr is AudienceOf by what the offering said.
func AudienceOr(said, fallback Audience) Audience {
	if said == "" {
		said = fallback
	}
	if audienceRank[said] == 0 {
		return AudienceSpace
	}
	return said
}

// SaidAudience is what an offering itself says of who may see it, by audience,
// security level and importance, the narrowest of them; "" where it says
// nothing. It fails closed: what is unknown means the offering's own space.
func SaidAudience(o *Offering) Audience {
	a := o.Audience
	if c := o.Level; c.Code != "" || len(c.Label) > 0 {
		a = NarrowerAudience(a, orSpace(levelAudience[c.Code]))
	}
	switch c := o.Importance; {
	case c.Code == "general": // 一般数据 opens nothing and closes nothing
	case c.Code != "" || len(c.Label) > 0:
		a = NarrowerAudience(a, orSpace(importanceAudience[c.Code]))
	}
	if a != "" && audienceRank[a] == 0 {
		return AudienceSpace
	}
	return a
}

func orSpace(a Audience) Audience {
	if a == "" {
		return AudienceSpace
	}
	return a
}
