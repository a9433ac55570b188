package main

import (
	"fmt"
	"strings"

	"lianmu/hub/access"
	"lianmu/vocab"
)

// acts are what the audit trail tells of beside rights (access.Rights): what
// officers decide at the desk, and what the hub itself sees. verb is the signed
// act that is made of it, where one is.
var acts = []struct {
	act    string
	verb   vocab.Verb
	zh, en string
}{
	{"invitation.create", "", "发出邀请", "invite a space"},
	{"invitation.revoke", "", "撤销邀请", "revoke an invitation"},
	{"space.present", "", "提交空间描述", "present a descriptor"},
	{"space.decide", "", "就空间作出决定", "decide about a space"},
	{"space.admit", vocab.Admission, "准入空间", "admit a space"},
	{"space.reject", vocab.Rejection, "不予准入", "reject a space"},
	{"space.suspend", vocab.Suspension, "暂停空间", "suspend a space"},
	{"space.resume", vocab.Resumption, "恢复空间", "resume a space"},
	{"space.keys.replace", vocab.KeyReplacement, "更换密钥", "replace keys"},
	{"space.keys.compromise", vocab.KeyCompromise, "密钥报失", "declare a key stolen"},
	{"offering.remove", vocab.Removal, "强制注销", "remove offerings"},
	{"log.release", vocab.Release, "解除禁用", "lift a ban"},
	{"proposal.approve", "", "复核同意", "approve a proposal"},
	{"peer.add", "", "添加对等节点", "add a peer"},
	{"peer.approve", "", "批准对等节点", "approve a peer"},
	{"peer.pause", "", "暂停对等节点", "pause a peer"},
	{"peer.resume", "", "恢复对等节点", "resume a peer"},
	{"peer.block", "", "拒绝对等节点", "block a peer"},
	{"peer.remove", "", "移除对等节点", "remove a peer"},
	{"peer.purge", "", "移除对等节点并清除镜像", "remove a peer and its mirrors"},
	{"peer.accept", "", "接受账本", "accept a log"},
	{"log.export", "", "导出账本", "export a log"},
	{"log.import", "", "导入账本", "import a log"},
	{"audit.export", "", "导出审计记录", "export the audit trail"},
	{"session.open", "", "登录", "sign in"},
	{"session.close", "", "退出登录", "sign out"},
	{"token", "", "出示令牌", "present a token"},
	{"csrf", "", "来路不明的请求", "a request from elsewhere"},
	{"flood", "", "发送过快", "flood the hub"},
}

// sayAct is the name of an act for people; the act itself where it has none, or
// is a route.
func sayAct(act string) string {
	if !chinese {
		return act
	}
	for _, a := range acts {
		if a.act == act {
			return a.zh
		}
	}
	return access.Right(act).Name().In("zh")
}

// actNamed finds the act that is meant: by its own name, the verb of its signed
// document or, in either language, what people call it; or a part of names
// before a dot, which takes all below it.
func actNamed(wanted string) (string, error) {
	if wanted == "" {
		return "", nil
	}
	for _, a := range acts {
		if strings.EqualFold(wanted, a.act) || a.verb != "" && strings.EqualFold(wanted, string(a.verb)) || wanted == a.zh || wanted == a.en {
			return a.act, nil
		}
	}
	for _, r := range access.Rights() {
		if strings.EqualFold(wanted, string(r)) || wanted == r.Name().In("zh") || wanted == r.Name().In("en") {
			return string(r), nil
		}
	}
	for _, n := range actNames() {
		if strings.HasPrefix(n, strings.ToLower(wanted)+".") {
			return strings.ToLower(wanted), nil
		}
	}
	return "", fmt.Errorf(tr("--act：没有 %q 这种操作。可以写：%s", "--act: there is no act %q. There are %s"), wanted, strings.Join(actNames(), tr("、", ", ")))
}

// actNames lists every act and right once.
func actNames() []string {
	var names []string
	seen := map[string]bool{}
	add := func(n string) {
		if !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	}
	for _, a := range acts {
		add(a.act)
	}
	for _, r := range access.Rights() {
		add(string(r))
	}
	return names
}
