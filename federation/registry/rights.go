package registry

import (
	"maps"
	"slices"

	"lianmu/vocab"
	"lianmu/vocab/shape"
)

// Bounds of what one space may bring along, so that none can make the registry
// or a batch costly.
const (
	MaxKeys        = 100    // that a descriptor or a replacement may list
	maxKeysEver    = 1_000  // stolen and retired ones included
	maxDescriptors = 10_000 // replacements included
)

// badKey says why a key may not sign now. One that nobody knows may: it makes
// a space of its own.
func (f *fold) badKey(key string) (vocab.Problem, bool) {
	n, ok := f.find(key)
	if !ok {
		return vocab.Problem{}, false
	}
	const path = "/proof/verificationMethod"
	k := f.home(n).ring.key(n)
	switch {
	case k.stolen:
		return vocab.NewProblem(path, "key.compromised",
			"密钥 %s 已登记为失窃，不再有效；请改用本空间的其他密钥签名，没有其他密钥时请联系本目录节点的运营方更换",
			"key %s is recorded as stolen and is no longer valid; sign with another key of the space, or, if there is none, ask the operator of this hub to replace it", key), true
	case !k.in:
		return vocab.NewProblem(path, "key.retired",
			"密钥 %s 已停用，文档写什么签名时间都不再接受；请改用空间描述中现行的密钥签名",
			"key %s is retired and not accepted any more, whatever time the document says; sign with a key that the space's descriptor lists", key), true
	}
	return vocab.Problem{}, false
}

// badStanding says why nothing is taken from a space.
func (f *fold) badStanding(name string) (vocab.Problem, bool) {
	s := f.named(name)
	zh, en, args := "", "", []any{name}
	if s != nil && s.reason != "" {
		zh, en, args = "，理由：%s", ", for this reason: %s", append(args, s.reason)
	}
	switch f.standingOf(s) {
	case Admitted:
		return vocab.Problem{}, false
	case Rejected:
		return vocab.NewProblem("", "space.rejected",
			"运营方未准许空间 %s 接入"+zh+"；请修改空间描述后重新提交",
			"the operator has not admitted space %s"+en+"; change its descriptor and submit that again", args...), true
	case Suspended:
		return vocab.NewProblem("", "space.suspended",
			"空间 %s 已被暂停"+zh+"；恢复之前不接受新的内容，请联系本目录节点的运营方",
			"space %s is suspended"+en+"; nothing new is taken until it is resumed, ask the operator of this hub", args...), true
	}
	return vocab.NewProblem("", "space.unadmitted",
		"空间 %s 尚未获准接入本目录节点；请先提交空间描述，准入后再提交其他内容",
		"space %s is not admitted to this hub; submit its descriptor first, and the rest once it is admitted", name), true
}

// badDescriptor says what a descriptor claims that it may not; s is nil for a
// space that is new.
func (f *fold) badDescriptor(s *space, e Entry) (ps vocab.Problems) {
	if e.Space == nil {
		return vocab.Problems{vocab.NewProblem("", "space.unread", "未能读出空间描述的内容；请检查后重新提交", "the descriptor could not be read; check it and submit it again")}
	}
	if e.Fact.ID != e.Fact.Space {
		ps = append(ps, vocab.NewProblem("/@id", "space.other",
			"数据空间的描述只能由它自己签名：@id 是 %s，签名密钥属于 %s", "a space's descriptor is signed by the space itself: @id is %s, the key that signed is of %s", e.Fact.ID, e.Fact.Space))
	}
	if s != nil && len(s.ring.events) >= maxDescriptors {
		ps = append(ps, vocab.NewProblem("", "space.too_often",
			"空间 %s 的描述已变更 %d 次，不能再变更；请联系本目录节点的运营方", "the descriptor of space %s has been changed %d times and cannot be changed again; ask the operator of this hub", e.Fact.Space, maxDescriptors))
	}
	for _, key := range e.Space.Keys {
		// Else a space could take a key that its owner has not used here yet.
		if _, known := f.find(key); !known && key != e.Fact.Key() && !slices.Contains(e.Also, key) {
			ps = append(ps, vocab.NewProblem("/key", "key.unproven",
				"新列入的密钥 %s 没有在描述上签名，不能证明归本空间所有；请用原密钥和新密钥一起签名（lianmu sign --key 原密钥 --key 新密钥）",
				"key %s is newly listed and has not signed the descriptor, so nothing shows that it is yours: sign with the old key and the new one (lianmu sign --key OLD --key NEW)", key))
		}
	}
	ps = append(ps, f.namesakes(s, e.Space)...)
	return append(ps, f.badKeys(s, e.Fact.Space, e.Space.Keys, "/key")...)
}

// badKeys says what is wrong with a list of keys for a space.
func (f *fold) badKeys(s *space, name string, keys []string, path string) (ps vocab.Problems) {
	if len(keys) > MaxKeys {
		return vocab.Problems{vocab.NewProblem(path, "key.too_many", "列出了 %d 把密钥，最多 %d 把；请删减", "%d keys are listed, at most %d are taken; list fewer", len(keys), MaxKeys)}
	}
	fresh := 0
	for _, key := range keys {
		if key == f.hub {
			ps = append(ps, hubKey(path))
			continue
		}
		n, known := f.find(key)
		switch {
		case !known:
			fresh++
		case f.home(n).did != name:
			ps = append(ps, vocab.NewProblem(path, "key.taken",
				"密钥 %s 现在或曾经属于另一空间，一把密钥只能属于一个空间；请为本空间新生成一把",
				"key %s is or was another space's, and a key belongs to one space for ever; make a new one for this space", key))
		case f.home(n).ring.key(n).stolen:
			ps = append(ps, vocab.NewProblem(path, "key.compromised",
				"密钥 %s 已登记为失窃，不能再列入；请从列表中删去", "key %s is recorded as stolen and cannot be listed again; leave it out", key))
		}
	}
	if s != nil && fresh > 0 && len(s.ring.keys)+fresh > maxKeysEver {
		ps = append(ps, vocab.NewProblem(path, "key.too_many",
			"空间 %s 用过的密钥不能超过 %d 把；请沿用已有的密钥", "space %s cannot have had more than %d keys in all; go on with those it has", name, maxKeysEver))
	}
	return ps
}

func hubKey(path string) vocab.Problem {
	return vocab.NewProblem(path, "key.hub",
		"这是目录节点自己的密钥，不能用作数据空间的密钥；请为空间另外生成一把（lianmu key new）",
		"this is the hub's own key and cannot be a space's; make one for the space (lianmu key new)")
}

// namesakes says where a descriptor newly takes the name or the operator's code
// of another space that is admitted or suspended. What a space came with was
// decided on when it was admitted; what it becomes afterwards nobody has looked
// at. It goes by the descriptors that stand: of one whose body is gone nothing is
// known, here or on any other hub, and nothing is held against anybody.
func (f *fold) namesakes(s *space, d *vocab.Space) (ps vocab.Problems) {
	if s == nil || f.next < f.openUntil {
		return nil
	}
	own := s.ring.readable()
	if own == nil {
		return nil
	}
	had, taken := plainNames(own), plainNames(d)
	maps.DeleteFunc(taken, func(plain, _ string) bool { _, ok := had[plain]; return ok })
	fresh := slices.Sorted(maps.Keys(taken))
	code := d.Operator.Code
	if code == own.Operator.Code {
		code = ""
	}
	if len(fresh) == 0 && code == "" {
		return nil
	}
	for at := f; at != nil; at = at.below {
		for _, k := range at.signers {
			o := f.latest(k.home)
			if o.did != k.did || o.did == s.did {
				continue
			}
			if st := f.standingOf(o); st != Admitted && st != Suspended {
				continue
			}
			has := o.ring.readable()
			if has == nil {
				continue
			}
			theirs := plainNames(has)
			for _, plain := range fresh {
				if _, same := theirs[plain]; same {
					ps = append(ps, vocab.NewProblem("/name", "space.namesake",
						"名称“%s”与已准入的空间 %s 的相同（标点、大小写、繁简不作区分），不能改用；确须改名请联系本目录节点的运营方", "the name “%s” is that of space %s, which is admitted (marks, case, and traditional or simplified characters make no other name of it), and cannot be taken; ask the operator of this hub where it must be", taken[plain], o.did))
				}
			}
			if code != "" && code == has.Operator.Code {
				ps = append(ps, vocab.NewProblem("/operator/uscc", "space.namesake",
					"统一社会信用代码 %s 是已准入的空间 %s 的运营方的，不能改用；运营方确已变更，请联系本目录节点的运营方", "the code %s is that of the operator of space %s, which is admitted, and cannot be taken; ask the operator of this hub where the operator has changed", code, o.did))
			}
		}
	}
	return ps
}

// plainNames are a space's names as people take them for the same
// (shape.PlainName), with how each is written.
func plainNames(d *vocab.Space) map[string]string {
	names := make(map[string]string, len(d.Name))
	for _, l := range d.Name.Languages() {
		if plain := shape.PlainName(d.Name[l]); plain != "" {
			names[plain] = d.Name[l]
		}
	}
	return names
}

// decideAct decides on an act of the hub's own.
func (f *fold) decideAct(a *vocab.Act) Decision {
	if a == nil || a.Space == "" {
		return denied(vocab.NewProblem("", "act.incomplete", "该决定没有写明所针对的空间", "the act does not say which space it is about"))
	}
	name := a.Space
	if name == f.hub {
		return denied(hubKey(""))
	}
	if home := f.spaceOf(name); home != name {
		return denied(vocab.NewProblem("", "space.other", "%s 不是空间的名称，而是空间 %s 的密钥；请写空间的名称", "%s is not a space's name but a key of space %s; give the space's name", name, home))
	}
	s := f.named(name)
	switch a.Verb {
	case vocab.Admission, vocab.Rejection, vocab.Suspension:
	case vocab.Resumption:
		if f.standingOf(s) != Suspended {
			return denied(vocab.NewProblem("", "space.not_suspended", "空间 %s 没有被暂停，无需恢复", "space %s is not suspended, so there is nothing to resume", name))
		}
	case vocab.KeyReplacement:
		if len(a.Keys) == 0 {
			return denied(vocab.NewProblem("/key", "key.none", "没有列出新密钥；请至少列出一把", "no new key is listed; list at least one"))
		}
		if ps := f.badKeys(s, name, a.Keys, "/key"); len(ps) > 0 {
			return denied(ps...)
		}
	case vocab.KeyCompromise:
		if n, ok := f.find(a.Key); !ok || f.home(n).did != name {
			return denied(vocab.NewProblem("/key", "key.unknown", "密钥 %s 不是空间 %s 的密钥；请核对", "key %s is not one of space %s; check it", a.Key, name))
		}
	case vocab.Removal:
		if n := len(a.Offerings); n == 0 || n > vocab.MaxRemoved {
			return denied(vocab.NewProblem("", "act.offerings", "一次可注销 1 至 %d 项产品，这里列出了 %d 项", "1 to %d offerings can be deregistered at once, not %d", vocab.MaxRemoved, n))
		}
	case vocab.Release:
		return f.decideRelease(s, a)
	case vocab.Withholding:
		if len(a.Offerings) != 1 || a.Created.IsZero() {
			return denied(vocab.NewProblem("", "act.incomplete", "收回公开须写明一项目录条目和它的签署时间", "what is taken back from the public is one offering, with the time when its version was signed"))
		}
	default:
		return denied(vocab.NewProblem("/@type", "act.verb", "不认识的决定类型 %s", "%s is no act that this hub knows", string(a.Verb)))
	}
	return Decision{Status: vocab.Accepted}
}

// decideRedaction decides on a redaction of the hub's own. What it says of the
// entry must be what the fold needs after a restart, when the entry is gone.
func (f *fold) decideRedaction(d *vocab.Redaction) Decision {
	if d == nil || d.Space == "" {
		return denied(vocab.NewProblem("", "redaction.incomplete", "没有写明被删除记录所属的空间", "the redaction does not say whose entry it deletes"))
	}
	wrong := denied(vocab.NewProblem("", "redaction.wrong", "所述内容与账本第 %d 条记录不符", "it does not tell entry %d of the log as it is", d.Index))
	signer := d.Space
	if d.Signer != "" {
		signer = d.Signer
	}
	n, ok := f.find(signer)
	if !ok || f.home(n).did != d.Space {
		return wrong
	}
	if e, ok := f.home(n).ring.at(d.Index); ok {
		if e.signer != n || e.created != nano(d.Created) || !slices.Equal(e.keys, f.numbered(d.Keys)) || e.home != d.Hub ||
			e.text != nil && e.text.Audience != d.Audience {
			return wrong
		}
	} else if v, ok := f.version(d.Key); !ok || (f.publicOf(d.Key, v) == d.Index+1) != (d.Audience == vocab.AudiencePublic) || v.position == d.Index && (v.signer != n || v.created != nano(d.Created) || v.marks&hubs != 0 ||
		says(v.kind) && v.marks&redacted == 0 && v.content != d.Content) {
		return wrong
	}
	return Decision{Status: vocab.Accepted}
}

// numbered returns the numbers of keys that are known.
func (f *fold) numbered(dids []string) []uint32 {
	var ns []uint32
	for _, did := range dids {
		if n, ok := f.find(did); ok {
			ns = append(ns, n)
		}
	}
	return ns
}

func redactedBytes() vocab.Problem {
	return vocab.NewProblem("", "entry.redacted",
		"这项内容的正文已被目录节点依规删除，不能原样重新提交，重新签名也不行；如仍需发布，请去除相应内容后提交新版本",
		"the hub deleted the body of this very content, which cannot be submitted again as it was, nor signed anew; submit a new version without what had to go")
}

func voidBytes() vocab.Problem {
	return vocab.NewProblem("", "key.compromised",
		"这份文档由已登记失窃的密钥签名，已作废；请用有效密钥签名后提交新版本",
		"this very document was signed with a key that is recorded as stolen, and is void; submit a new version signed with a valid key")
}
