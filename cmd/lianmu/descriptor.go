package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"lianmu/federation/identity"
)

// descriptor is what a space says of itself, as people write it: flags, or a
// YAML file with Chinese or English names. The hub reads what is made of it.
type descriptor struct {
	Name        string   `json:"name" placeholder:"NAME" help:"Name of the space."`
	NameEN      string   `json:"name_en" name:"name-en" placeholder:"NAME" help:"Its name in English, where --name is Chinese."`
	Description string   `json:"description" placeholder:"TEXT" help:"What it is for, in some sentences."`
	Type        string   `json:"type" placeholder:"TYPE" help:"Type of the space: enterprise, industry, city, personal or cross-border."`
	Operator    string   `json:"operator" placeholder:"NAME" help:"Organisation that operates the space."`
	USCC        string   `json:"uscc" name:"uscc" placeholder:"CODE" help:"Its unified social credit code."`
	Region      string   `json:"region" placeholder:"REGION" help:"Region: a name or a code of GB/T 2260."`
	Industry    string   `json:"industry" placeholder:"INDUSTRY" help:"Industry: a name or a code of GB/T 4754."`
	Contact     string   `json:"contact" placeholder:"TEXT" help:"Contact desk: a shared mailbox, a landline or a web page; no private numbers."`
	Homepage    string   `json:"homepage" placeholder:"URL" help:"Web page of the space."`
	Roles       []string `json:"roles" name:"role" placeholder:"ROLE" help:"Roles of the space: provider, consumer, operator, …"`
	Endpoints   []string `json:"endpoints" name:"endpoint" placeholder:"[TYPE=]URL" sep:"none" help:"Where programs reach the space, such as dsp=https://HOST/dsp."`
	Keys        []string `json:"keys" name:"also-key" placeholder:"FILE|DID" help:"Further keys that may sign for the space: the file of a new one, which signs this too, or the DID of one that it has. The one that signs this is always among them."`
	Audience    string   `json:"audience" placeholder:"WHO" help:"Who may see offerings that do not say: public, recognised or space."`
	Schemes     []string `json:"schemes" name:"scheme" placeholder:"IRI" sep:"none" help:"Rule schemes that the space follows."`
	Hub         string   `json:"hub" name:"home-hub" placeholder:"DID" help:"Home hub of the space, where it is not the one that it joins."`
}

// chineseNames are the names that a file may use instead.
var chineseNames = map[string]string{
	"名称": "name", "空间名称": "name", "英文名称": "name_en", "简介": "description", "描述": "description",
	"类型": "type", "空间类型": "type", "运营方": "operator", "运营单位": "operator", "统一社会信用代码": "uscc",
	"地域": "region", "地区": "region", "所属地域": "region", "行业": "industry", "所属行业": "industry",
	"联系方式": "contact", "主页": "homepage", "网址": "homepage", "角色": "roles", "接入点": "endpoints",
	"密钥": "keys", "可见范围": "audience", "默认可见范围": "audience", "规则代码集": "schemes", "归属节点": "hub",
}

// lists are those of which there may be several.
var lists = []string{"roles", "endpoints", "keys", "schemes"}

const maxDescriptorFile = 64 << 10

// readDescriptor reads a YAML (or JSON) file of names and values, strictly: an
// unknown or repeated name is an error that lists those there are.
func readDescriptor(path string) (d descriptor, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return d, err
	}
	if info.Size() > maxDescriptorFile {
		return d, fmt.Errorf(tr("%s 太大（上限 %d KB）：这里只写空间的基本情况", "%s is too large (at most %d KB): it holds the basics of a space only"), path, maxDescriptorFile>>10)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return d, err
	}
	data, err := yaml.YAMLToJSONStrict(raw)
	if err != nil {
		return d, fmt.Errorf(tr("%s 不是 YAML：%w", "%s is not YAML: %w"), path, err)
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(data, &given); err != nil || given == nil {
		return d, fmt.Errorf(tr("%s 应为一行一项，例如“名称: 某某数据空间”", "%s must hold one item a line, such as “name: Harbour data space”"), path)
	}
	if given["@context"] != nil || given["proof"] != nil {
		return d, fmt.Errorf(tr("%s 已是 JSON-LD 文件：请用 lianmu publish 提交", "%s is JSON-LD already: submit it with lianmu publish"), path)
	}
	plain := map[string]json.RawMessage{}
	for name, value := range given {
		known := name
		if english, ok := chineseNames[name]; ok {
			known = english
		}
		switch {
		case !slices.Contains(slices.Collect(maps.Values(chineseNames)), known):
			return d, fmt.Errorf(tr("%[1]s 中的“%[2]s”不认识；可用：%[3]s", "%[1]s: %[2]q is unknown; there are: %[4]s"),
				path, name, strings.Join(slices.Sorted(maps.Keys(chineseNames)), "、"), strings.Join(englishNames(), ", "))
		case plain[known] != nil:
			return d, fmt.Errorf(tr("%s 中“%s”写了两次", "%s gives %q twice"), path, name)
		}
		if slices.Contains(lists, known) && strings.HasPrefix(string(value), `"`) {
			value = slices.Concat([]byte("["), value, []byte("]")) // one word for a list of one
		}
		plain[known] = value
	}
	data, err = json.Marshal(plain)
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(data, &d); err != nil {
		var typ *json.UnmarshalTypeError
		if errors.As(err, &typ) {
			return d, fmt.Errorf(tr("%s 中 %s 的写法不对，应为文字", "%s: %s must be text"), path, typ.Field)
		}
		return d, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

func englishNames() []string {
	names := slices.Sorted(maps.Values(chineseNames))
	return slices.Compact(names)
}

// empty reports whether nothing was said.
func (d *descriptor) empty() bool {
	return d.Name == "" && d.NameEN == "" && d.Description == "" && d.Type == "" && d.Operator == "" && d.USCC == "" &&
		d.Region == "" && d.Industry == "" && d.Contact == "" && d.Homepage == "" && d.Audience == "" && d.Hub == "" &&
		len(d.Roles)+len(d.Endpoints)+len(d.Keys)+len(d.Schemes) == 0
}

// overlay is d with what over says in its place.
func (d descriptor) overlay(over descriptor) descriptor {
	for _, f := range []struct{ to, from *string }{
		{&d.Name, &over.Name}, {&d.NameEN, &over.NameEN}, {&d.Description, &over.Description}, {&d.Type, &over.Type},
		{&d.Operator, &over.Operator}, {&d.USCC, &over.USCC}, {&d.Region, &over.Region}, {&d.Industry, &over.Industry},
		{&d.Contact, &over.Contact}, {&d.Homepage, &over.Homepage}, {&d.Audience, &over.Audience},
		{&d.Hub, &over.Hub},
	} {
		if *f.from != "" {
			*f.to = *f.from
		}
	}
	for _, f := range []struct{ to, from *[]string }{
		{&d.Roles, &over.Roles}, {&d.Endpoints, &over.Endpoints}, {&d.Keys, &over.Keys}, {&d.Schemes, &over.Schemes},
	} {
		if len(*f.from) > 0 {
			*f.to = *f.from
		}
	}
	return d
}

// further reads the further keys: their DIDs, and those that are at hand to sign
// the descriptor too, as a hub asks of a key that it has not met.
func (d *descriptor) further() (dids []string, signers []identity.Signer, err error) {
	for _, k := range d.Keys {
		if strings.HasPrefix(k, "did:") {
			dids = append(dids, k)
			continue
		}
		key, err := identity.ReadKey(k)
		if err != nil {
			return nil, nil, err
		}
		dids, signers = append(dids, key.DID()), append(signers, key)
	}
	return dids, signers, nil
}

// document is the descriptor of a space as JSON-LD: did signs it, and keys are
// the further ones that may sign from then on.
func (d *descriptor) document(did string, keys []string) ([]byte, error) {
	type agent struct {
		Name string `json:"name,omitempty"`
		USCC string `json:"uscc,omitempty"`
	}
	type endpoint struct {
		Type string `json:"endpointType,omitempty"`
		URL  string `json:"endpointURL"`
	}
	doc := struct {
		Context     string     `json:"@context"`
		Type        string     `json:"@type"`
		ID          string     `json:"@id"`
		Name        any        `json:"name,omitempty"`
		Description string     `json:"description,omitempty"`
		SpaceType   string     `json:"spaceType,omitempty"`
		Operator    *agent     `json:"operator,omitempty"`
		Region      string     `json:"region,omitempty"`
		Industry    string     `json:"industry,omitempty"`
		Contact     string     `json:"contact,omitempty"`
		Homepage    string     `json:"homepage,omitempty"`
		Role        []string   `json:"role,omitempty"`
		Endpoint    []endpoint `json:"endpoint,omitempty"`
		Key         []string   `json:"key,omitempty"`
		Audience    string     `json:"defaultAudience,omitempty"`
		Scheme      []string   `json:"ruleScheme,omitempty"`
		Hub         string     `json:"hub,omitempty"`
	}{
		Context: "https://w3id.org/lianmu/v1", Type: "Space", ID: did, Description: d.Description, SpaceType: d.Type,
		Region: d.Region, Industry: d.Industry, Contact: d.Contact, Homepage: d.Homepage, Role: d.Roles, Audience: d.Audience, Scheme: d.Schemes, Hub: d.Hub,
	}
	switch {
	case d.NameEN != "" && d.Name != "":
		doc.Name = map[string]string{"zh": d.Name, "en": d.NameEN}
	case d.NameEN != "":
		doc.Name = map[string]string{"en": d.NameEN}
	case d.Name != "":
		doc.Name = d.Name
	}
	if d.Operator != "" || d.USCC != "" {
		doc.Operator = &agent{d.Operator, d.USCC}
	}
	for _, e := range d.Endpoints {
		typ, url, found := strings.Cut(e, "=")
		if !found || strings.ContainsAny(typ, ":/") { // the = is the address's own
			typ, url = "", e
		}
		doc.Endpoint = append(doc.Endpoint, endpoint{typ, url})
	}
	if len(keys) > 0 {
		doc.Key = []string{did}
		for _, k := range keys {
			if !slices.Contains(doc.Key, k) {
				doc.Key = append(doc.Key, k)
			}
		}
	}
	return json.Marshal(doc)
}
