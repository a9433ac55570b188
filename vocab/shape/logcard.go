package shape

import (
	"regexp"
	"slices"
	"strings"

	"lianmu/vocab"
)

const (
	mostAddresses = 8
	mostRetention = 36_500 // days
)

var logMembers = []string{"origin", "hub", "verifierKey", "epoch", "address", "jurisdiction", "retention", "agreement", "open", "openUntil"}

// addressSchemes are those under which a log can be had.
var addressSchemes = []string{"nats", "tls", "ws", "wss", "http", "https"}

var (
	verifierForm     = regexp.MustCompile(`^[0-9a-f]{8}\+[A-Za-z0-9+/]{43,44}=?$`) // what follows the name; C2SP signed-note
	jurisdictionForm = regexp.MustCompile(`^[A-Z]{2}$`)
)

// logCard reads a log card, as strictly as an act: who mirrors the log goes by
// it. That the verifier key is a sound one is for package ledger to say.
func (rd *reading) logCard(s subject) *vocab.LogCard {
	c := &vocab.LogCard{
		Name:    rd.textOf(s, "title", titleLimit, true),
		Contact: rd.contact(s),
	}
	rd.foreign(s, logMembers)
	if len(rd.problems) == 0 && !hasReader(c.Name) {
		rd.refuse(*s.at, "title.missing", "缺少名称：请用“名称”写明目录节点叫什么。", "The name is missing: say what the hub is called, as \"name\".")
	}
	if v, ok := rd.must(s, "目录节点（hub）", "the hub (hub)", "hub"); ok {
		c.Hub = rd.key(v)
	}
	if v, ok := rd.one(s, "epoch"); ok {
		c.Epoch = rd.whole(v)
	}
	if v, ok := rd.must(s, "账本名称（origin）", "the log's origin (origin)", "origin"); ok {
		c.Origin, _ = rd.oneLine(v, nameLimit)
		if want := vocab.LogOrigin(c.Hub, c.Epoch); c.Hub != "" && c.Origin != want {
			rd.refuse(v.at, "log.origin", "账本名称应为 %[1]s，由目录节点的密钥和期号组成。", "The log's origin must be %[1]s: the hub's key and the epoch.", want)
		}
	}
	if v, ok := rd.must(s, "验签公钥（verifierKey）", "the verifier key (verifierKey)", "verifierKey"); ok {
		c.VerifierKey, _ = rd.oneLine(v, limit{shown: 300, most: 300})
		if rest, named := strings.CutPrefix(c.VerifierKey, c.Origin+"+"); !named || !verifierForm.MatchString(rest) {
			rd.refuse(v.at, "log.key", "验签公钥应写成“账本名称+8 位十六进制数+Base64 公钥”。", "The verifier key is the log's origin, 8 hexadecimal digits and the key in Base64, with + between.")
		}
	}
	c.Addresses = rd.addresses(s)
	if v, ok := rd.one(s, "jurisdiction"); ok {
		if c.Jurisdiction, _ = rd.oneLine(v, wordLimit); !jurisdictionForm.MatchString(c.Jurisdiction) {
			rd.refuse(v.at, "log.jurisdiction", "所在法域应为两个大写字母的国家或地区代码（ISO 3166-1），例如 CN。", "The jurisdiction is a country's code of two capital letters (ISO 3166-1), such as CN.")
		}
	}
	if v, ok := rd.one(s, "retention"); ok {
		if c.Retention = rd.whole(v); c.Retention > mostRetention {
			rd.refuse(v.at, "number.form", "保存期限以天计，最多 %[1]d 天；0 表示长期保存。", "The retention is in days, at most %[1]d; 0 is for ever.", mostRetention)
		}
	}
	if v, ok := rd.one(s, "agreement"); ok {
		c.Agreement = rd.digest(v)
	}
	if v, ok := rd.one(s, "open"); ok {
		c.Open = rd.yes(v)
	}
	if v, ok := rd.one(s, "openUntil"); ok {
		c.OpenUntil = rd.whole(v)
	}
	return c
}

// addresses reads where the log is to be had.
func (rd *reading) addresses(s subject) []string {
	var out []string
	for _, v := range rd.ours(s, "address") {
		if len(out) == mostAddresses {
			rd.refuse(v.at, "shape.many", "地址最多 %d 个：请删减。", "At most %d addresses are allowed: take some out.", mostAddresses)
			break
		}
		address := textOrID(v)
		scheme, rest, _ := strings.Cut(address, "://")
		switch why := checkIRI(address); {
		case why != nil:
			rd.refuse(v.at, why.code, "地址无效："+why.zh, "The address is not valid: "+why.en)
		case !slices.Contains(addressSchemes, scheme) || rest == "" || strings.Contains(rest, "@"):
			rd.refuse(v.at, "log.address", "地址应为 nats://主机:端口 或 https://主机:端口 这样的网址，不带用户名。", "An address is such as nats://HOST:PORT or https://HOST:PORT, without a user name.")
		case !slices.Contains(out, address):
			out = append(out, address)
		}
	}
	return out
}

// yes reads true or false.
func (rd *reading) yes(v value) bool {
	x, _ := v.literal()
	b, ok := x.(bool)
	if !ok {
		rd.refuse(v.at, "shape.type", "这里应为 true 或 false，不加引号。", "This must be true or false, without quotation marks.")
	}
	return b
}
