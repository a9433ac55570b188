package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"lianmu/federation/identity"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

type joinCmd struct {
	URL        string     `arg:"" name:"url" help:"http://HOST:PORT of the hub, or the link of an invitation."`
	Invite     string     `placeholder:"CODE" env:"LIANMU_INVITE" help:"Code of the invitation; a link has it already."`
	Key        string     `default:"space.key" placeholder:"FILE" env:"LIANMU_KEY" help:"The space's key, made where there is none (default space.key)."`
	Descriptor string     `placeholder:"FILE" help:"YAML file that describes the space, with Chinese or English names; flags come before it."`
	Space      descriptor `embed:""`
	Yes        bool       `short:"y" help:"Do it without asking."`
	JSON       bool       `name:"json" help:"Print the receipt as JSON."`
}

const maxCode = 64 // characters of an invitation's code with what parts its groups

func isAlnum(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// sentSuffix names the file beside a key that keeps what was sent: sending the
// same bytes again asks how they stand.
const sentSuffix = ".descriptor.json"

// Run makes the key, describes the space, signs and presents it, and says what
// comes next. Run again without a description it asks how things stand; exit
// code 1 if it was refused.
func (c *joinCmd) Run(ctx context.Context, s *streams) error {
	base, code, err := splitInvitation(c.URL)
	if err != nil {
		return err
	}
	code = strings.TrimSpace(cmp.Or(c.Invite, code))
	if strings.ContainsFunc(code, func(r rune) bool { return r != '-' && r != ' ' && !isAlnum(r) }) || len(code) > maxCode {
		return errors.New(tr("邀请码不对：应为 20 位字母和数字，可以用空格或连字符分组；请核对，或整条复制邀请链接",
			"the invitation's code is not valid: it has 20 letters and digits, perhaps in groups parted by spaces or hyphens; check it, or copy the whole link of the invitation"))
	}
	hub, err := newHubClient(base, nil, s.Now)
	if err != nil {
		return err
	}
	info, err := hub.info(ctx)
	if err != nil {
		return err
	}
	described := c.Space
	if c.Descriptor != "" {
		file, err := readDescriptor(c.Descriptor)
		if err != nil {
			return err
		}
		described = file.overlay(c.Space)
	}
	if !described.empty() {
		described.Hub = cmp.Or(described.Hub, info.Hub)
	}
	key, sent, err := c.before(described)
	if err != nil {
		return err
	}
	raw := sent
	if !described.empty() {
		if raw, err = c.sign(ctx, s, key, described, sent); err != nil {
			return err
		}
	}
	if !bytes.Equal(raw, sent) {
		if err := c.agree(s, key, base, info.Hub, raw); err != nil {
			return err
		}
		if key, err = c.make(s, key); err != nil {
			return err
		}
		if err := replaceFile(c.Key+sentSuffix, raw); err != nil {
			return err
		}
	}
	receipt, err := present(ctx, hub, raw, code)
	if err != nil {
		return err
	}
	return c.report(s, key.DID(), base, receipt)
}

// splitInvitation takes an invitation's link apart: the code is its fragment,
// which is never sent to anybody with the address.
func splitInvitation(link string) (base, code string, err error) {
	u, err := url.Parse(link)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", "", errors.New(tr("请写节点的网址，例如 https://主机:端口，或邀请链接", "give the address of the hub, such as https://HOST:PORT, or the link of an invitation"))
	}
	path := strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/join")
	return u.Scheme + "://" + u.Host + path, u.Fragment, nil
}

// before finds key and descriptor of an earlier run. A key that is still to be
// made is made in memory: nothing is written before it is agreed.
func (c *joinCmd) before(d descriptor) (*identity.Key, []byte, error) {
	key, err := identity.ReadKey(c.Key)
	if errors.Is(err, fs.ErrNotExist) && !d.empty() {
		key, err = identity.NewKey("ed25519")
		return key, nil, err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, errors.New(tr("请说明空间的情况：用 --name --type --operator --uscc --region --contact 等，或写在 YAML 文件里用 --descriptor 给出（密钥会自动生成）",
			"describe the space: with --name, --type, --operator, --uscc, --region, --contact and so on, or in a YAML file given with --descriptor (the key is made for you)"))
	}
	if err != nil {
		return nil, nil, err
	}
	sent, err := os.ReadFile(c.Key + sentSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		if d.empty() {
			return nil, nil, fmt.Errorf(tr("密钥 %s 还没有提交过空间描述：请用 --name 等说明空间的情况，或用 --descriptor 文件", "nothing was presented with the key %s yet: describe the space with --name and so on, or with --descriptor FILE"), c.Key)
		}
		return key, nil, nil
	}
	return key, sent, err
}

// make writes a key that is new.
func (c *joinCmd) make(s *streams, key *identity.Key) (*identity.Key, error) {
	if _, err := os.Stat(c.Key); err == nil {
		return key, nil
	}
	if err := key.Write(c.Key); err != nil {
		return nil, err
	}
	fmt.Fprintf(s.Err, tr("已生成空间密钥 %s：请妥善备份，勿给他人；丢失后只能凭证明材料请节点更换\n", "made the space's key %s: back it up and give it to nobody; where it is lost, only the hub can replace it, on filed evidence\n"), c.Key)
	return key, nil
}

// sign makes the signed descriptor and reads it as the hub will. One that says
// what was sent before is that one.
func (c *joinCmd) sign(ctx context.Context, s *streams, key *identity.Key, d descriptor, sent []byte) ([]byte, error) {
	further, signers, err := d.further()
	if err != nil {
		return nil, err
	}
	doc, err := d.document(key.DID(), further)
	if err != nil {
		return nil, err
	}
	if content, err := identity.Content(doc); err == nil && sent != nil {
		if old, err := identity.Content(sent); err == nil && old == content {
			return sent, nil
		}
	}
	reader, err := shape.NewReader()
	if err != nil {
		return nil, err
	}
	reading, err := reader.ReadDocument(ctx, jsonld.New(jsonld.Limits{}), doc, s.Now())
	if err != nil {
		return nil, err
	}
	for _, w := range reading.Warnings {
		fmt.Fprintf(s.Err, tr("提醒：%s\n", "note: %s\n"), say(w.Message))
	}
	return identity.Sign(doc, key, identity.SignOptions{Created: s.Now()}, signers...)
}

// agree shows what will be sent to whom, and asks.
func (c *joinCmd) agree(s *streams, key *identity.Key, base, hubDID string, raw []byte) error {
	var shown map[string]any
	if err := json.Unmarshal(raw, &shown); err != nil {
		return err
	}
	t := table{}
	for _, m := range []struct{ name, zh, en string }{
		{"@id", "空间（DID）", "space (DID)"}, {"name", "名称", "name"}, {"description", "简介", "description"}, {"spaceType", "类型", "type"},
		{"operator", "运营方", "operator"}, {"region", "地域", "region"}, {"industry", "行业", "industry"}, {"contact", "联系方式", "contact"},
		{"homepage", "主页", "homepage"}, {"role", "角色", "roles"}, {"endpoint", "接入点", "endpoints"}, {"key", "密钥", "keys"},
		{"defaultAudience", "默认可见范围", "default audience"}, {"ruleScheme", "规则代码集", "rule schemes"},
		{"hub", "归属节点", "home hub"},
	} {
		if v, ok := shown[m.name]; ok {
			text := flat(v)
			if m.name == "defaultAudience" {
				text = sayAudience(vocab.Audience(text))
			}
			t.add(tr(m.zh, m.en), cut(text, 100))
		}
	}
	t.add(tr("提交给", "presented to"), base+"  "+hubDID)
	if err := t.write(s.Err); err != nil {
		return err
	}
	return ask(s, c.Yes, tr("以上内容将签名并提交，准入后对所有人公开。提交吗？", "This is signed and presented; once admitted it is public. Present it?"))
}

// flat is a JSON value for a table's cell.
func flat(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = flat(v[i])
		}
		return strings.Join(parts, tr("、", ", "))
	case map[string]any:
		var parts []string
		for _, name := range []string{"zh", "en", "name", "uscc", "endpointType", "endpointURL"} {
			if text, ok := v[name].(string); ok {
				parts = append(parts, text)
			}
		}
		return strings.Join(parts, " ")
	}
	return fmt.Sprint(v)
}

// ask waits for a yes, unless it was given on the command line.
func ask(s *streams, yes bool, question string) error {
	if yes {
		return nil
	}
	fmt.Fprintf(s.Err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(io.LimitReader(s.In, 100)).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes", "是", "好":
		return nil
	}
	if err != nil {
		return errors.New(tr("未做任何事：没有得到确认；不需要确认时请加 --yes", "nothing was done: there was no answer; add --yes to do it without one"))
	}
	return errors.New(tr("未做任何事", "nothing was done"))
}

// present submits a descriptor with an invitation's code, and waits while the
// hub is busy.
func present(ctx context.Context, hub *hubClient, raw []byte, code string) (vocab.Receipt, error) {
	hub.header = http.Header{}
	if code != "" {
		hub.header.Set("Lianmu-Invite", code)
	}
	to := httpSender{hubClient: hub}
	for tries := 0; ; tries++ {
		r, err := to.Submit(ctx, raw)
		if err != nil || r.Status != vocab.Busy || tries == maxWaits {
			return r, err
		}
		if err := sleep(ctx, max(time.Duration(r.RetryAfterMS)*time.Millisecond, 200*time.Millisecond)); err != nil {
			return r, err
		}
	}
}

// report says how it stands and what comes next.
func (c *joinCmd) report(s *streams, did, base string, r vocab.Receipt) error {
	if c.JSON {
		if err := json.NewEncoder(s.Out).Encode(r); err != nil {
			return err
		}
	} else {
		text := ""
		switch r.Status {
		case vocab.Waiting:
			text = tr("已提交，正在等待节点运营方准入。请把 DID 告诉运营方；再运行一次 lianmu join %[2]s --key %[3]s 可查看进展。\n%[1]s\n",
				"Presented; it waits for the hub's operator. Tell the operator the DID; run lianmu join %[2]s --key %[3]s again to see how it stands.\n%[1]s\n")
		case vocab.Accepted, vocab.Renewed, vocab.Unchanged:
			text = tr("已准入。可以发布了：lianmu publish --hub %[2]s --key %[3]s 文件…\n%[1]s\n",
				"Admitted. You can publish: lianmu publish --hub %[2]s --key %[3]s FILES…\n%[1]s\n")
		case vocab.Superseded:
			text = tr("节点上已有更新的描述。\n%[1]s\n", "The hub has a newer description.\n%[1]s\n")
		}
		if text != "" {
			if _, err := fmt.Fprintf(s.Out, text, did, shellWord(base), shellWord(c.Key)); err != nil {
				return err
			}
		}
	}
	if text := sayProblems(r.Problems); text != "" {
		fmt.Fprintf(s.Err, "lianmu: %s: %s\n", sayStatus(r.Status), text)
	}
	if r.Status == vocab.Refused || r.Status == vocab.Busy {
		return exitCode(1)
	}
	return nil
}

// replaceFile writes a small file whole or not at all.
func replaceFile(path string, data []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
