package access

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"

	"lianmu/vocab"
)

// Problem is an RFC 9457 answer. Type stays about:blank, as the code member
// tells programs more than a URI that leads nowhere; title and detail follow
// Accept-Language, problems carry both languages.
type Problem struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail,omitempty"`
	Code      string         `json:"code"` // of the first of Problems
	Problems  vocab.Problems `json:"problems"`
	RequestID string         `json:"request_id,omitempty"`
}

// WriteProblem answers with at least one problem in the reader's language (RFC
// 9457). The request's id is what the answer's X-Request-Id says. Where the status
// wants Retry-After or WWW-Authenticate (RFC 9110, sections 10.2.3 and 11.6.1) and
// there is none yet, it is set.
func WriteProblem(w http.ResponseWriter, r *http.Request, status int, ps vocab.Problems) {
	lang, head := LanguageOf(r), w.Header()
	details := make([]string, 0, len(ps))
	for _, p := range ps {
		details = append(details, p.Message.In(lang))
	}
	body, err := json.Marshal(Problem{
		Type: "about:blank", Title: titleOf(status, lang), Status: status,
		Detail: strings.Join(details, " "), Code: ps[0].Code, Problems: ps, RequestID: head.Get("X-Request-Id"),
	})
	if err != nil { // a Problem is strings: cannot be
		body = []byte(`{"type":"about:blank","title":"Internal Server Error","status":500,"code":"internal","problems":[]}`)
		status = http.StatusInternalServerError
	}
	switch status {
	case http.StatusUnauthorized:
		head.Set("WWW-Authenticate", `Bearer realm="lianmu"`)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		if head.Get("Retry-After") == "" {
			head.Set("Retry-After", "1")
		}
	}
	head.Set("Content-Type", "application/problem+json")
	head.Set("Content-Language", lang)
	head.Add("Vary", "Accept-Language")
	head.Set("Cache-Control", "no-store")
	head.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that hung up needs no answer
}

// StatusClientClosed is seen in metrics only: nobody is there to read it.
const StatusClientClosed = 499

// titleOf is the status phrase, which RFC 9457 asks for beside about:blank.
func titleOf(status int, lang string) string {
	if lang == "zh" {
		if t, ok := titlesZH[status]; ok {
			return t
		}
	}
	if t := http.StatusText(status); t != "" {
		return t
	}
	return "Error"
}

var titlesZH = map[int]string{
	http.StatusBadRequest:            "请求有误",
	http.StatusUnauthorized:          "需要身份凭证",
	http.StatusForbidden:             "无权访问",
	http.StatusNotFound:              "未找到",
	http.StatusMethodNotAllowed:      "方法不允许",
	http.StatusConflict:              "状态冲突",
	http.StatusGone:                  "已停止提供",
	http.StatusNotImplemented:        "不支持此操作",
	http.StatusRequestEntityTooLarge: "内容过大",
	http.StatusUnsupportedMediaType:  "内容类型不支持",
	http.StatusTooManyRequests:       "请求过于频繁",
	http.StatusInternalServerError:   "系统内部错误",
	http.StatusBadGateway:            "上游服务不可用",
	http.StatusServiceUnavailable:    "暂时不可用",
	StatusClientClosed:               "请求已取消",
}

var languages = language.NewMatcher([]language.Tag{language.Chinese, language.English})

// LanguageOf returns "zh" or "en" by Accept-Language; zh where it does not say.
func LanguageOf(r *http.Request) string {
	header := r.Header.Get("Accept-Language")
	if header == "" || len(header) > 200 {
		return "zh"
	}
	tags, _, err := language.ParseAcceptLanguage(header)
	if err != nil || len(tags) == 0 {
		return "zh"
	}
	if _, i, confidence := languages.Match(tags...); i == 1 && confidence > language.No {
		return "en"
	}
	return "zh"
}

// wantsPage reports whether a browser asks, which shows what it gets to people.
func wantsPage(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// statusOf is the status of this package's own answers.
func statusOf(code string) int {
	switch code {
	case "access.rate":
		return http.StatusTooManyRequests // RFC 6585, section 4
	case "access.unauthenticated":
		return http.StatusUnauthorized
	case "access.forbidden", "access.csrf", "access.origin":
		return http.StatusForbidden
	case "access.oidc":
		return http.StatusBadGateway
	case "access.method":
		return http.StatusMethodNotAllowed
	}
	return http.StatusBadRequest
}

// writeProblem answers with what err says.
func writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	ps := vocab.ProblemsOf(err, "internal")
	WriteProblem(w, r, statusOf(ps[0].Code), ps)
}

// tooOften says that an address or an identity has asked for too much.
func tooOften() error {
	return vocab.Problems{vocab.NewProblem("", "access.rate",
		"请求过于频繁，请稍后重试。", "too many requests: try again in a little while")}
}

// slowDown is what a browser shows whose address has asked for too much. It is
// made beforehand and needs nothing else from here: a flood must cost little.
const slowDown = `<!DOCTYPE html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>请求过于频繁 · Too many requests</title></head>
<body><h1>请求过于频繁</h1>
<p>您所在的网络地址在短时间内发出的请求太多。请等几秒钟，再刷新本页。</p>
<p>如果是与他人共用一个出口，或持续出现，请联系节点运营方调整限额。</p>
<div lang="en"><h1>Too many requests</h1>
<p>Too many requests came from your network address in a short time. Wait a few seconds, then load this page again.</p>
<p>If you share the address with others, or if it stays so, ask the operator of this hub to raise the limit.</p></div>
</body></html>
`

// refuseFlood answers a request of an address that has to wait so long first.
func refuseFlood(w http.ResponseWriter, r *http.Request, delay time.Duration) {
	head := w.Header()
	head.Set("Retry-After", strconv.Itoa(int(math.Ceil(delay.Seconds()))))
	if !wantsPage(r) {
		writeProblem(w, r, tooOften())
		return
	}
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	head.Set("Cache-Control", "no-store")
	head.Set("Content-Length", strconv.Itoa(len(slowDown)))
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = w.Write([]byte(slowDown))
}
