package intake

import (
	"lianmu/vocab"
	"lianmu/vocab/shape"
)

// unseen warns of an offering that its own space alone will see because neither it
// nor the space says for whom it is: whoever publishes may well mean everybody.
func (in *Intake) unseen(r *shape.Reading, space string) vocab.Problems {
	if r.Offering == nil || in.c.Fallback != vocab.AudienceSpace || vocab.SaidAudience(r.Offering) != "" {
		return nil
	}
	if s, _ := in.c.Registry.Space(space); s.Space.Audience != "" {
		return nil
	}
	return vocab.Problems{vocab.NewProblem("/audience", "audience.default",
		"没有写明可见范围，空间也没有登记默认值，所以只有本空间能看到，别人检索不到；要公开，请写明“可见范围：公开”，或登记空间的默认可见范围（lianmu join … --audience public）",
		"it does not say for whom it is, and the space has no default, so that the space alone sees it and nobody else finds it; to publish it for all, say audience: public, or give the space a default (lianmu join … --audience public)")}
}
