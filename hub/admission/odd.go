package admission

import (
	"net/netip"
	"net/url"
	"strings"
	"time"

	"lianmu/federation/registry"
	"lianmu/vocab"
	"lianmu/vocab/shape"
)

// judge knows whom an applicant could be taken for.
type judge struct {
	now    time.Time
	spaces map[string]registry.SpaceState // by DID
	names  map[string][]string            // plain name → DIDs that are admitted or wait
	codes  map[string][]string            // operator's code → the same
	keys   map[string][]string            // key → DIDs that list it
	wait   map[string]bool                // DIDs that wait
	of     func(key string) string        // whose key it is or was, by the log
}

func (d *Desk) judge(waiting []Applicant) *judge {
	j := &judge{
		now: d.c.Now(), spaces: map[string]registry.SpaceState{}, names: map[string][]string{}, codes: map[string][]string{},
		keys: map[string][]string{}, wait: map[string]bool{}, of: d.c.Registry.SpaceOf,
	}
	for _, s := range d.c.Registry.Spaces() {
		j.spaces[s.Space.DID] = s
		if s.Standing == registry.Admitted || s.Standing == registry.Suspended {
			j.learn(s.Space.DID, s.Space)
		}
	}
	for _, a := range waiting {
		j.wait[a.DID] = true
		j.learn(a.DID, a.Space)
	}
	return j
}

func (j *judge) learn(did string, s vocab.Space) {
	seen := map[string]bool{}
	for _, name := range s.Name {
		if p := shape.PlainName(name); p != "" && !seen[p] {
			seen[p] = true
			j.names[p] = append(j.names[p], did)
		}
	}
	if c := strings.ToUpper(s.Operator.Code); c != "" {
		j.codes[c] = append(j.codes[c], did)
	}
	for _, k := range s.Keys {
		j.keys[k] = append(j.keys[k], did)
	}
}

// odd lists what an officer should look at before deciding on a.
func (j *judge) odd(a *Applicant) vocab.Problems {
	var ps vocab.Problems
	say := func(path, code, zh, en string, args ...any) {
		ps = append(ps, vocab.NewProblem(path, "odd."+code, zh, en, args...))
	}
	s := &a.Space
	if st, ok := j.spaces[a.DID]; ok && st.Standing == registry.Rejected {
		say("", "rejected", "曾于 %s 不予准入，理由：%s", "It was rejected on %s, reason: %s", st.Decided.Format(time.DateOnly), st.Reason)
	}
	for _, name := range s.Name {
		if other, waits := j.other(j.names[shape.PlainName(name)], a.DID); other != "" {
			say("/name", "name", "名称“%[1]s”与%[3]s的空间 %[2]s 相同。", "The name “%[1]s” is that of space %[2]s, which %[4]s.", name, other, zhWaits(waits), enWaits(waits))
			break
		}
	}
	switch code := strings.ToUpper(s.Operator.Code); {
	case len(s.Operator.Name) == 0 && code == "":
		say("/operator", "operator", "没有写明运营方。", "It does not say who operates it.")
	case code == "":
		say("/operator", "uscc", "没有写明运营方的统一社会信用代码。", "It does not give the operator's unified social credit code.")
	default:
		if vocab.CheckUSCC(code) != nil {
			say("/operator", "uscc", "运营方的统一社会信用代码 %s 校验不通过。", "The operator's unified social credit code %s fails its check.", code)
		}
		if other, waits := j.other(j.codes[code], a.DID); other != "" {
			say("/operator", "uscc", "运营方的统一社会信用代码与%[2]s的空间 %[1]s 相同。", "The operator's unified social credit code is that of space %[1]s too, which %[3]s.", other, zhWaits(waits), enWaits(waits))
		}
	}
	if s.Type.Code == "personal" {
		say("/spaceType", "personal", "类型为个人：请确认运营方是单位，没有个人信息。", "It is of type personal: make sure that an organisation operates it and that it holds no personal data.")
	}
	for _, k := range append([]string{a.DID}, s.Keys...) {
		if of := j.of(k); of != k && of != a.DID {
			say("/key", "key", "密钥 %s 属于或曾属于空间 %s。", "Key %s is or was space %s's.", k, of)
		} else if other, _ := j.other(j.keys[k], a.DID); other != "" {
			say("/key", "key", "密钥 %s 也列在空间 %s 的描述中。", "Key %s is listed by space %s too.", k, other)
		}
	}
	for _, e := range s.Endpoints {
		if why := oddAddress(e.URL); why != nil {
			say("/endpoint", "endpoint", "接入点 %[1]s "+why["zh"]+"。", "The endpoint %[1]s "+why["en"]+".", e.URL)
		}
	}
	if s.Contact == "" {
		say("/contact", "contact", "没有写明联系方式。", "It does not say whom to contact.")
	}
	if !a.Expires.IsZero() && !a.Expires.After(j.now) {
		say("/proof", "expired", "签名已于 %s 过期，准入前请对方重新提交。", "Its signature expired on %s: have it presented again before admitting it.", a.Expires.Format(time.DateOnly))
	}
	return ps
}

// other returns who else is in a list, and whether they wait too.
func (j *judge) other(list []string, did string) (string, bool) {
	for _, d := range list {
		if d != did {
			return d, j.wait[d]
		}
	}
	return "", false
}

func zhWaits(waits bool) string {
	if waits {
		return "同在等待"
	}
	return "已准入"
}

func enWaits(waits bool) string {
	if waits {
		return "waits too"
	}
	return "is admitted"
}

// oddAddress says what is wrong with an endpoint's address; nil if nothing.
func oddAddress(address string) vocab.Text {
	u, err := url.Parse(address)
	if err != nil {
		return vocab.Text{"zh": "不是网址", "en": "is no address"}
	}
	switch strings.ToLower(u.Scheme) {
	case "https", "wss", "tls":
	default:
		return vocab.Text{"zh": "不是 https 地址", "en": "is not an https address"}
	}
	host := strings.ToLower(u.Hostname())
	ip, err := netip.ParseAddr(host)
	inner := err == nil && (ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified())
	if inner || host == "" || host == "localhost" || !strings.Contains(host, ".") && err != nil {
		return vocab.Text{"zh": "只在内部网络可达", "en": "can be reached from inside a network only"}
	}
	return nil
}
