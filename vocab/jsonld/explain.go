package jsonld

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/piprate/json-gold/ld"

	"lianmu/vocab"
)

var (
	errInterrupted = errors.New("the expansion took too long")
	errPanicked    = errors.New("the JSON-LD library could not cope with the document")
)

// sentences puts the error codes of the JSON-LD 1.1 API that writers meet into
// words, Chinese and English.
var sentences = map[ld.ErrorCode][2]string{
	ld.InvalidIDValue:              {"@id 的值必须是字符串", "the value of @id must be a string"},
	ld.InvalidTypeValue:            {"@type 的值必须是字符串或字符串数组", "the value of @type must be a string or a list of strings"},
	ld.InvalidValueObject:          {"值对象（@value）里有不允许的成员或组合", "a value object (@value) has members that do not go together"},
	ld.InvalidValueObjectValue:     {"@value 的值必须是字符串、数字、布尔值或 null", "the value of @value must be a string, a number, true, false or null"},
	ld.InvalidLanguageTaggedString: {"@language 的值必须是语言标签字符串", "the value of @language must be a language tag"},
	ld.InvalidLanguageTaggedValue:  {"只有字符串可以带 @language", "only strings can have an @language"},
	ld.InvalidLanguageMapValue:     {"语言映射的值必须是字符串", "the values of a language map must be strings"},
	ld.InvalidTypedValue:           {"值的 @type 必须是一个绝对 IRI", "the @type of a value must be one absolute IRI"},
	ld.InvalidIndexValue:           {"@index 的值必须是字符串", "the value of @index must be a string"},
	ld.InvalidNestValue:            {"@nest 的值必须是对象", "the value of @nest must be an object"},
	ld.InvalidReverseValue:         {"@reverse 的值必须是对象", "the value of @reverse must be an object"},
	ld.InvalidReversePropertyMap:   {"@reverse 里不能使用关键字", "keywords cannot be used in @reverse"},
	ld.InvalidReversePropertyValue: {"反向属性的值必须是节点", "the values of a reverse property must be nodes"},
	ld.InvalidIncludedValue:        {"@included 的值必须是节点", "the values of @included must be nodes"},
	ld.InvalidSetOrListObject:      {"@set 或 @list 旁边只能有 @index", "only @index can stand beside @set or @list"},
	ld.CollidingKeywords:           {"同一个关键字出现了两次（可能用了别名）", "the same keyword is given twice, perhaps by an alias"},
	ld.CyclicIRIMapping:            {"词项定义互相引用，形成循环", "term definitions refer to each other in a circle"},
	ld.RecursiveContextInclusion:   {"上下文包含了它自己", "a context includes itself"},
	ld.InvalidTermDefinition:       {"词项定义的写法不对", "a term definition is malformed"},
	ld.InvalidIRIMapping:           {"词项没有对应到绝对 IRI；请检查前缀是否已声明", "a term is not mapped to an absolute IRI; check that its prefix is declared"},
	ld.KeywordRedefinition:         {"不能重新定义 JSON-LD 关键字", "a JSON-LD keyword cannot be redefined"},
	ld.ProtectedTermRedefinition:   {"重新定义了受保护的词项；请删除该定义或换个名称", "a protected term is defined again; remove the definition or use another name"},
	ld.InvalidContextNullification: {"不能用 null 清除受保护的词项", "protected terms cannot be cleared with null"},
	ld.InvalidVersionValue:         {"@version 只能是 1.1", "@version can only be 1.1"},
	ld.InvalidContainerMapping:     {"@container 的值不对", "the value of @container is wrong"},
	ld.InvalidContextEntry:         {"@context 里有不允许的成员（例如被导入的上下文又用了 @import）", "a member is not allowed in @context, such as @import in an imported context"},
}

func words(err error) (zh, en string) {
	var e *ld.JsonLdError
	if !errors.As(err, &e) {
		// A panic's text is the library's own business.
		return "JSON-LD 处理程序无法读懂这种写法", "the JSON-LD processor cannot read this construct"
	}
	s, known := sentences[e.Code]
	if !known {
		s = [2]string{string(e.Code), string(e.Code)}
	}
	if detail, isText := e.Details.(string); isText && detail != "" && !strings.Contains(detail, "%!") {
		detail = shorten(detail, 200)
		return s[0] + "：" + detail, s[1] + ": " + detail
	}
	return s[0], s[1]
}

// contextProblem says which entry of a context list does not parse. from is the
// number of entries before those in list.
func contextProblem(base *ld.Context, list any, from int, err error) vocab.Problems {
	path := "/@context"
	entries, _ := list.([]any)
	for i, e := range entries {
		v, failed := contained(func() (any, error) { return base.Parse(ld.CloneDocument(e)) })
		if failed != nil {
			path, err = fmt.Sprintf("/@context/%d", from+i), failed
			break
		}
		base = v.(*ld.Context)
	}
	zh, en := words(err)
	return refuse(path, "context.invalid",
		"@context 有误：%[1]s。", "The @context is wrong: %[2]s.", zh, en)
}

// explain turns the error of an expansion into a problem with a path, which
// json-gold does not give.
func (p *Processor) explain(active *ld.Context, object map[string]any, w *work, err error) vocab.Problems {
	if errors.Is(err, errInterrupted) {
		return refuse("", "limit.time",
			"展开文档超时；若文档并不大，请稍后重试。",
			"Expanding the document took too long. If it is not large, try again later.")
	}
	path := ""
	if !w.costly && w.objects <= 1000 {
		path, err = locate(active, object, err)
	}
	zh, en := words(err)
	return refuse(path, "jsonld.invalid",
		"JSON-LD 写法有误：%[1]s。", "The JSON-LD is wrong: %[2]s.", zh, en)
}

// locate finds the smallest part of object that still fails by itself, in the
// place where it stands, and returns its JSON pointer and error.
func locate(active *ld.Context, object map[string]any, err error) (string, error) {
	path := ""
	tries := 500
	part := any(object)
	wrap := func(v any) any { return v }
	for range DefaultDepth {
		found := false
		for _, sub := range parts(part) {
			if tries--; tries < 0 {
				return path, err
			}
			outer := wrap
			_, failed := contained(func() (any, error) {
				return ld.NewJsonLdApi().Expand(active, "", outer(sub.inPlace(sub.value)), options, false, nil)
			})
			if failed == nil {
				continue
			}
			path, err, part = path+"/"+escapePointer(sub.name), failed, sub.value
			wrap = func(v any) any { return outer(sub.inPlace(v)) }
			found = true
			break
		}
		if !found {
			break
		}
	}
	return shorten(path, 512), err
}

// piece is one member or element, and a function that puts a value where it
// stood, alone.
type piece struct {
	name    string
	value   any
	inPlace func(any) any
}

func parts(v any) []piece {
	var all []piece
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			all = append(all, piece{fmt.Sprint(i), e, func(x any) any { return []any{x} }})
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if name == "@context" {
				continue
			}
			all = append(all, piece{name, v[name], func(x any) any {
				alone := map[string]any{name: x}
				if c, has := v["@context"]; has {
					alone["@context"] = c
				}
				return alone
			}})
		}
	}
	return all
}
