package jsonld

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"lianmu/vocab"
)

// Decode parses raw, which must be one JSON object (RFC 8259) in UTF-8 with
// unique names and numbers that every reader takes for the same (RFC 7493,
// section 2.2), followed by nothing but white space. The limits on bytes,
// nesting and values are checked before anything is built. raw is kept and
// must not be changed.
//
// Errors are vocab.Problems with one of the codes limit.bytes, limit.depth,
// limit.nodes, json.utf8, json.syntax, json.duplicate_key, json.number,
// json.trailing, json.not_object.
func (p *Processor) Decode(raw []byte) (*Document, error) {
	if len(raw) > p.limits.Bytes {
		return nil, refuse("", "limit.bytes",
			"文档有 %d 字节，超过上限 %d 字节；请拆分或删减内容。",
			"The document has %d bytes; the limit is %d. Split it or shorten it.", len(raw), p.limits.Bytes)
	}
	if at, ok := firstInvalid(raw); !ok {
		return nil, refuse("", "json.utf8",
			"第 %d 字节处不是 UTF-8 编码；请把文件另存为 UTF-8（不带 BOM）。",
			"The bytes at offset %d are not UTF-8. Save the file as UTF-8.", at)
	}
	size := scan(raw)
	if size.depth > p.limits.Depth {
		return nil, refuse("", "limit.depth",
			"文档嵌套 %d 层，超过上限 %d 层。",
			"The document is nested %d deep; the limit is %d.", size.depth, p.limits.Depth)
	}
	if size.values > p.limits.Nodes {
		return nil, refuse("", "limit.nodes",
			"文档含 %d 个 JSON 值，超过上限 %d 个；请拆分文档。",
			"The document holds %d JSON values; the limit is %d. Split it.", size.values, p.limits.Nodes)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, jsonProblem(raw, err)
	}
	if size.inexact >= 0 {
		return nil, numberProblem(pathTo(raw, size.inexact), raw[size.inexact:])
	}
	obj, ok := v.(map[string]any)
	if !ok {
		return nil, refuse("", "json.not_object",
			"文档必须是一个 JSON 对象，以 { 开头。",
			"The document must be one JSON object, beginning with {.")
	}
	return &Document{Raw: raw, Object: obj, decoded: true}, nil
}

// extent is what scan sees of a text.
type extent struct {
	depth     int // deepest nesting
	values    int // JSON values, exact for valid JSON, an upper bound otherwise
	badNumber int // offset of the first number too large for a float64, or -1
	inexact   int // offset of the first number that readers may differ about, or -1
}

// scan counts without building anything, so that a hostile text is refused for
// the price of reading it once. It does not check the syntax.
func scan(raw []byte) extent {
	e := extent{values: 1, badNumber: -1, inexact: -1}
	depth := 0
	opened := false // the last significant byte opened an object or an array
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; c {
		case ' ', '\t', '\n', '\r', ':':
			continue
		case '"':
			i = endOfString(raw, i+1)
		case '{', '[':
			depth++
			e.depth = max(e.depth, depth)
			e.values++
			opened = true
			continue
		case '}', ']':
			depth--
			if opened {
				e.values--
			}
		case ',':
			e.values++
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			n := numberLength(raw[i:])
			if e.badNumber < 0 && overflows(raw[i:i+n]) {
				e.badNumber = i
			}
			if e.inexact < 0 && !exact(raw[i:i+n]) {
				e.inexact = i
			}
			i += n - 1
		}
		opened = false
	}
	return e
}

// endOfString returns the index of the quote that closes the string whose
// first byte is at i, or len(raw). Every byte is looked at twice at most,
// however many escapes there are.
func endOfString(raw []byte, i int) int {
	for quote := -1; i < len(raw); {
		if quote < i {
			n := bytes.IndexByte(raw[i:], '"')
			if n < 0 {
				break
			}
			quote = i + n
		}
		escape := bytes.IndexByte(raw[i:quote], '\\')
		if escape < 0 {
			return quote
		}
		i += escape + 2 // and what it escapes
	}
	return len(raw)
}

func numberLength(b []byte) int {
	for i, c := range b {
		switch {
		case '0' <= c && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
		default:
			return i
		}
	}
	return len(b)
}

func overflows(number []byte) bool {
	// Without an exponent it takes 309 digits.
	if len(number) < 309 && !bytes.ContainsAny(number, "eE") {
		return false
	}
	_, err := strconv.ParseFloat(string(number), 64)
	return errors.Is(err, strconv.ErrRange)
}

const (
	maxSafeInteger = 1<<53 - 1 // RFC 7493, section 2.2
	maxDigits      = 17        // as many as it takes to write any float64
)

// exact reports whether a number means the same to a reader with doubles and
// to one with decimals. Where it does not, whoever passes a signed document on
// could alter the number without breaking the signature, because the canonical
// form has it as a double. A fraction may have 17 digits, as many programs
// write them; what lies beyond the last digit of a double tells nobody
// anything.
func exact(number []byte) bool {
	mantissa, exponent := number, bytes.IndexAny(number, "eE")
	if exponent >= 0 {
		mantissa = number[:exponent]
	} else if len(number) <= 15 {
		return true
	}
	digits, significant := 0, 0 // from the first digit that is not zero to the last
	for _, c := range mantissa {
		if c >= '0' && c <= '9' && (c != '0' || digits > 0) {
			if digits++; c != '0' {
				significant = digits
			}
		}
	}
	f, err := strconv.ParseFloat(string(number), 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return true // no number; the parser says so
	case significant > maxDigits, f > maxSafeInteger, f < -maxSafeInteger:
		return false
	}
	return f != 0 || significant == 0 // 1e-400 is not nothing
}

// pathTo is the JSON pointer of the value at offset in valid JSON.
func pathTo(raw []byte, offset int) string {
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	for {
		if _, err := d.ReadToken(); err != nil || d.InputOffset() > int64(offset) {
			return shorten(string(d.StackPointer()), 512)
		}
	}
}

func firstInvalid(raw []byte) (offset int, ok bool) {
	if utf8.Valid(raw) {
		return 0, true
	}
	for i := 0; i < len(raw); {
		r, n := utf8.DecodeRune(raw[i:])
		if r == utf8.RuneError && n == 1 {
			return i, false
		}
		i += n
	}
	return 0, true
}

// jsonProblem puts an error of the JSON library into words.
func jsonProblem(raw []byte, err error) vocab.Problems {
	var (
		path   string
		offset = int64(-1)
		syntax *jsontext.SyntacticError
		sem    *json.SemanticError
	)
	switch {
	case errors.As(err, &syntax):
		path, offset = string(syntax.JSONPointer), syntax.ByteOffset
	case errors.As(err, &sem):
		path = string(sem.JSONPointer)
	}
	path = shorten(path, 512)
	switch {
	case sem != nil && errors.Is(err, strconv.ErrRange):
		return numberProblem(path, sem.JSONValue)
	case errors.Is(err, jsontext.ErrDuplicateName):
		return refuse(path, "json.duplicate_key",
			"同一个对象里有两个同名的成员；请删除或改名。",
			"An object has two members of the same name. Remove or rename one.")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), len(bytes.TrimSpace(raw)) == 0:
		return refuse(path, "json.syntax",
			"JSON 不完整，在结尾处中断；请检查是否整份发送。",
			"The JSON ends too early. Check that all of it was sent.")
	case offset >= 0 && path == "" && completeBefore(raw, offset):
		return refuse("", "json.trailing",
			"JSON 对象之后（第 %d 字节起）还有多余内容；一次只能提交一个文档。",
			"There is more after the JSON object, from byte %d on. Send one document at a time.", offset)
	case offset >= 0:
		return refuse(path, "json.syntax",
			"第 %d 字节附近不是正确的 JSON（%s）；请用 JSON 校验工具检查。",
			"Not valid JSON near byte %d (%s). Check it with a JSON tool.", offset, shorten(cause(syntax), 200))
	}
	return refuse(path, "json.syntax",
		"不是正确的 JSON（%s）；请用 JSON 校验工具检查。",
		"Not valid JSON (%s). Check it with a JSON tool.", shorten(err.Error(), 200))
}

func cause(err *jsontext.SyntacticError) string {
	if err.Err != nil {
		return err.Err.Error()
	}
	return err.Error()
}

// completeBefore reports whether a whole JSON value ends at or before offset.
func completeBefore(raw []byte, offset int64) bool {
	return offset <= int64(len(raw)) && jsontext.Value(raw[:offset]).IsValid()
}

func numberProblem(path string, number []byte) vocab.Problems {
	n := string(number[:min(numberLength(number), 40)])
	return refuse(path, "json.number",
		"数值 %s 超出 ±9007199254740991 或位数太多，不同的程序会读成不同的值；请改写，或放进引号写成文本。",
		"The number %s is beyond ±9007199254740991 or has too many digits, so that programs read it differently. Change it or write it as a text, in quotation marks.", n)
}

func refuse(path, code, zh, en string, args ...any) vocab.Problems {
	return vocab.Problems{vocab.NewProblem(path, code, zh, en, args...)}
}

// shorten cuts s to at most n bytes at a character, so that a refusal stays
// small whatever the document held.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
