package api

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"strings"

	"golang.org/x/text/language"

	"lianmu/federation/ledger"
	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

// problem is an RFC 9457 answer. Type stays about:blank, as the code member
// tells programs more than a URI that leads nowhere; title and detail follow
// Accept-Language, problems carry both languages.
type problem struct {
	Type      string         `json:"type"`
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail,omitempty"`
	Code      string         `json:"code"`
	Problems  vocab.Problems `json:"problems"`
	RequestID string         `json:"request_id,omitempty"`
}

// statusOf is the one table from problem codes to HTTP status. A code that is
// not here is a fault of the question: 400.
var statusOf = map[string]int{
	"access.unauthenticated": http.StatusUnauthorized,
	"access.csrf":            http.StatusForbidden,
	"access.forbidden":       http.StatusForbidden,
	"access.origin":          http.StatusForbidden,
	"access.rate":            http.StatusTooManyRequests,
	"admission.full":         http.StatusConflict,
	"audit.unavailable":      http.StatusServiceUnavailable,
	"busy":                   http.StatusServiceUnavailable,
	"catalog.not_found":      http.StatusNotFound,
	"index.rebuilding":       http.StatusConflict,
	"hub.bus":                http.StatusServiceUnavailable,
	"hub.disk_full":          http.StatusServiceUnavailable,
	"hub.index":              http.StatusServiceUnavailable,
	"hub.log_damaged":        http.StatusServiceUnavailable,
	"hub.not_ready":          http.StatusServiceUnavailable,
	"hub.read_only":          http.StatusServiceUnavailable,
	"hub.unavailable":        http.StatusServiceUnavailable,
	"hub.unhealthy":          http.StatusServiceUnavailable,
	"internal":               http.StatusInternalServerError,
	"invitation.unknown":     http.StatusNotFound,
	"key.taken":              http.StatusConflict,
	"log.full":               http.StatusServiceUnavailable,
	"log.read_only":          http.StatusServiceUnavailable,
	"log.not_found":          http.StatusNotFound,
	"proposal.own":           http.StatusForbidden,
	"proposal.taken":         http.StatusConflict,
	"proposal.unknown":       http.StatusNotFound,
	"receipt.not_found":      http.StatusNotFound,
	"redact.incomplete":      http.StatusInternalServerError,
	"redact.unavailable":     http.StatusNotImplemented,
	"request.cancelled":      statusClientClosed,
	"request.media_type":     http.StatusUnsupportedMediaType,
	"request.method":         http.StatusMethodNotAllowed,
	"request.not_found":      http.StatusNotFound,
	"request.timeout":        http.StatusServiceUnavailable,
	"request.too_large":      http.StatusRequestEntityTooLarge,
	"space.admitted":         http.StatusConflict,
	"space.descriptor":       http.StatusConflict,
	"space.not_admitted":     http.StatusConflict,
	"space.not_found":        http.StatusNotFound,
	"space.not_waiting":      http.StatusConflict,
	"space.suspended":        http.StatusGone,
	"space.unknown":          http.StatusNotFound,
}

// statusClientClosed is seen in metrics only: nobody is there to read it.
const statusClientClosed = 499

// sentinels is the one table from errors of lower rooms to problems.
var sentinels = []struct {
	err    error
	code   string
	zh, en string
}{
	{view.ErrNotFound, "catalog.not_found", "没有这一条，或您无权查看。", "There is no such offering, or none that you may see."},
	{index.ErrCursor, "index.cursor", "翻页游标不属于本次查询，请从第一页重新开始。", "The cursor does not belong to this search; start again from the first page."},
	{fs.ErrNotExist, "log.not_found", "账本中没有这一部分，或尚未被签封覆盖。", "The log has no such part, or no checkpoint covers it yet."},
	{ledger.ErrFull, "log.full", "账本所在磁盘已满，请稍后再试。", "The disk of the log is full; try again later."},
	{ledger.ErrReadOnly, "log.read_only", "账本目前只读，请联系运营方。", "The log is read-only for now; ask the operator."},
	{context.DeadlineExceeded, "request.timeout", "处理超时，请稍后再试或缩小查询范围。", "This took too long; try again later or ask for less."},
	{context.Canceled, "request.cancelled", "请求已取消。", "The request was cancelled."},
}

// problemsOf names what is wrong and its status. An error that no table knows
// is "internal", and known is false: its text belongs in the log only.
func problemsOf(err error) (ps vocab.Problems, status int, known bool) {
	if errors.As(err, &ps) && len(ps) > 0 {
		status, ok := statusOf[ps[0].Code]
		if !ok {
			status = http.StatusBadRequest
		}
		return ps, status, true
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			status, ok := statusOf[s.code]
			if !ok {
				status = http.StatusBadRequest
			}
			return vocab.Problems{{Code: s.code, Message: vocab.Text{"zh": s.zh, "en": s.en}}}, status, true
		}
	}
	return vocab.Problems{vocab.NewProblem("", "internal",
		"系统内部错误，请稍后再试；如仍出现，请把请求编号告诉运营方。",
		"Something went wrong inside the hub; try again later, and if it stays, give the operator the request id.")}, http.StatusInternalServerError, false
}

// fail answers with what err is by the tables above.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	x := exchangeOf(r)
	if x.wrote {
		// The answer has begun: cutting the connection is the only honest end.
		a.Logger.ErrorContext(r.Context(), "answer broken off", "request", x.id, "route", x.route, "error", err)
		panic(http.ErrAbortHandler)
	}
	ps, status, known := problemsOf(err)
	if !known {
		a.Logger.ErrorContext(r.Context(), "request failed", "request", x.id, "route", x.route, "error", err)
	}
	lang := languageOf(r)
	head := w.Header()
	switch status {
	case http.StatusUnauthorized:
		head.Set("WWW-Authenticate", `Bearer realm="lianmu"`)
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		if head.Get("Retry-After") == "" {
			head.Set("Retry-After", "1")
		}
	}
	details := make([]string, 0, len(ps))
	for _, p := range ps {
		details = append(details, p.Message.In(lang))
	}
	b, err := json.Marshal(problem{
		Type: "about:blank", Title: titleOf(status, lang), Status: status,
		Detail: strings.Join(details, " "), Code: ps[0].Code, Problems: ps, RequestID: x.id,
	})
	if err != nil { // a Problem is strings: cannot be
		b = []byte(`{"type":"about:blank","title":"Internal Server Error","status":500,"code":"internal","problems":[]}`)
		status = http.StatusInternalServerError
	}
	head.Set("Content-Type", "application/problem+json")
	head.Set("Content-Language", lang)
	head.Add("Vary", "Accept-Language")
	head.Set("Cache-Control", "no-store")
	write(w, status, b)
}

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
	http.StatusServiceUnavailable:    "暂时不可用",
	statusClientClosed:               "请求已取消",
}

var languages = language.NewMatcher([]language.Tag{language.Chinese, language.English})

// languageOf returns "zh" or "en" by Accept-Language; zh where it does not say.
func languageOf(r *http.Request) string {
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
