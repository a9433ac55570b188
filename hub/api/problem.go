package api

import (
	"context"
	"errors"
	"io/fs"
	"net/http"

	"lianmu/federation/ledger"
	"lianmu/hub/access"
	"lianmu/hub/view"
	"lianmu/index"
	"lianmu/vocab"
)

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
	"bundle.size":            http.StatusRequestEntityTooLarge,
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
	"log.contradiction":      http.StatusConflict,
	"log.fault":              http.StatusConflict,
	"log.full":               http.StatusServiceUnavailable,
	"log.read_only":          http.StatusServiceUnavailable,
	"log.not_found":          http.StatusNotFound,
	"peer.log":               http.StatusNotFound,
	"peer.logs":              http.StatusConflict,
	"peer.many":              http.StatusConflict,
	"peer.state":             http.StatusConflict,
	"peer.token":             http.StatusBadGateway,
	"peer.unknown":           http.StatusNotFound,
	"peer.unreachable":       http.StatusBadGateway,
	"proposal.own":           http.StatusForbidden,
	"proposal.taken":         http.StatusConflict,
	"proposal.unknown":       http.StatusNotFound,
	"receipt.not_found":      http.StatusNotFound,
	"redact.incomplete":      http.StatusInternalServerError,
	"redact.unavailable":     http.StatusNotImplemented,
	"request.cancelled":      access.StatusClientClosed,
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
	access.WriteProblem(w, r, status, ps)
}
