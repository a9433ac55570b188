package registry

import "lianmu/vocab"

// A body is redacted because of what it said, unless it was merely kept long
// enough. Its content is then barred for every space; but who changes a word has
// another content. So nothing at all is published under its name until the hub's
// officers have looked, and lifted that (vocab.Release); unless something else
// stood there by then, which the space had put right and they have left. Under
// another name, or by another space, what is worded otherwise gets through: no
// program tells that it says the same.
//
// Whether a name is barred stands in the redaction, and is not worked out from
// what else there is: of that, too, bodies may be gone for whoever reads the log
// later, and he would judge otherwise.

// cause is why nothing may be published under a name.
type cause struct {
	name  vocab.Key
	space uint32
}

// ban folds what a redaction of an offering or participant of a space forbids.
func (f *fold) ban(s *space, d *vocab.Redaction) {
	if d.Ground != "" && d.Ground != vocab.GroundRetention {
		f.banned[d.Content] = true
	}
	if d.Barred {
		f.names[d.Key] = true
		f.causes[d.Index] = cause{d.Key, s.number}
	}
}

// bansName reports whether nothing may be published under a name.
func (f *fold) bansName(k vocab.Key) bool {
	banned, ok := f.names[k]
	if !ok && f.below != nil {
		return f.below.bansName(k)
	}
	return banned
}

// BansName reports whether nothing may be published under a key until that is
// lifted.
func (r *Registry) BansName(k vocab.Key) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.bansName(k)
}

// cause returns what the redaction of the entry at a position forbade.
func (f *fold) cause(position uint64) (cause, bool) {
	c, ok := f.causes[position]
	if !ok && f.below != nil {
		return f.below.cause(position)
	}
	return c, ok
}

// decideRelease decides on lifting what a redaction forbade.
func (f *fold) decideRelease(s *space, a *vocab.Act) Decision {
	c, ok := f.cause(a.From)
	switch {
	case !ok || s == nil || c.space != s.number:
		return denied(vocab.NewProblem("/from", "release.none",
			"空间 %[1]s 的第 %[2]d 条记录没有因内容问题被删除正文，无从解除；请核对记录号",
			"entry %[2]d is none of space %[1]s that was redacted for what it said, so there is nothing to lift: check the position", a.Space, a.From))
	case !f.bansName(c.name):
		return denied(vocab.NewProblem("/from", "release.done",
			"第 %d 条记录的 @id 现在就可以使用，无需解除", "the @id of entry %d may be used as it is; there is nothing to lift", a.From))
	}
	return Decision{Status: vocab.Accepted}
}

func bannedName() vocab.Problem {
	return vocab.NewProblem("/@id", "name.banned",
		"这个 @id 下的内容曾被目录节点依规删除，运营方解除之前不能再用它发布；内容已改正的，请联系本目录节点的运营方解除，或改用新的 @id",
		"what this @id named was deleted by the hub for what it said, and nothing is published under it until that is lifted: where it is put right, ask the operator of this hub to lift it, or use a new @id")
}
