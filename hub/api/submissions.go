package api

import (
	"cmp"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"lianmu/hub/access"
	"lianmu/hub/intake"
	"lianmu/vocab"
)

// submit takes the same bytes as a NATS submission and answers with the same
// receipt, whatever became of it.
func (a *api) submit(w http.ResponseWriter, r *http.Request) error {
	if err := readParams(r).end(); err != nil {
		return err
	}
	raw, err := readBody(w, r, a.BodySize, "application/json", "application/ld+json")
	if err != nil {
		return err
	}
	receipt := a.Intake.Submit(intake.WithInvite(r.Context(), r.Header.Get(intake.InviteHeader)), raw)
	switch receipt.Status {
	case vocab.Waiting:
		return answer(w, http.StatusAccepted, receipt)
	case vocab.Accepted:
		w.Header().Set("Location", "/api/v1/submissions/"+receipt.Digest.String())
		return answer(w, http.StatusCreated, receipt)
	case vocab.Refused:
		return answer(w, http.StatusUnprocessableEntity, receipt)
	case vocab.Busy:
		// Whole seconds, rounded up; the receipt has the exact figure.
		w.Header().Set("Retry-After", strconv.Itoa(max(1, (receipt.RetryAfterMS+999)/1000)))
		return answer(w, http.StatusServiceUnavailable, receipt)
	}
	return answer(w, http.StatusOK, receipt)
}

// receipt answers by the digest of the bytes submitted: that of an entry to
// whoever may read the entry, that of a refusal to the space that signed it and
// to who reads the quarantine (without what quotes the document, where they may
// not see it), that of a descriptor that waits to its space.
func (a *api) receipt(w http.ResponseWriter, r *http.Request) error {
	if err := readParams(r).end(); err != nil {
		return err
	}
	s, err := pathValue(r, "digest", 200)
	if err != nil {
		return err
	}
	d, err := vocab.ParseDigest(s)
	if err != nil {
		return vocab.Problems{vocab.NewProblem("/digest", "request.digest",
			"摘要应为 64 位十六进制数字（SHA-256）。", "A digest is 64 hexadecimal digits (SHA-256).")}
	}
	who, err := a.Guard.Who(r)
	if err != nil {
		return err
	}
	receipt, ok := a.Intake.Receipt(r.Context(), d, who.Reader())
	if !ok && who.May(access.QuarantineRead) {
		receipt, ok = a.Intake.Receipt(r.Context(), d, vocab.Reader{All: true})
		if ok = ok && receipt.Status == vocab.Refused; ok {
			receipt = intake.RefusalFor(receipt, who)
		}
	}
	if !ok && who.DID != "" {
		if receipt, ok, err = a.Admission.State(r.Context(), cmp.Or(who.Space, who.DID)); err != nil {
			return err
		}
		ok = ok && receipt.Digest == d
	}
	if !ok {
		return vocab.Problems{vocab.NewProblem("", "receipt.not_found",
			"没有这份提交的回执，或您无权查看。", "There is no receipt for such a submission, or none that you may see.")}
	}
	return answer(w, http.StatusOK, receipt)
}

// quarantine lists refused submissions, newest first. What was refused may be
// anything, so not everybody reads it, and the documents fewer still.
func (a *api) quarantine(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	refused := p.text("refused", 5)
	limit := p.number("limit", 1, maxLimit, 50)
	before := p.sequence("cursor")
	if err := p.end(); err != nil {
		return err
	}
	if refused != "true" {
		return vocab.Problems{vocab.NewProblem("/refused", "request.missing",
			"此处只列退回区，请加 refused=true。", "Only refused submissions are listed here: add refused=true.")}
	}
	who, err := a.Guard.Who(r)
	if err != nil {
		return err
	}
	items, err := a.Intake.Quarantine(r.Context(), before, limit)
	if err != nil {
		return err
	}
	for i := range items {
		items[i] = items[i].For(who)
	}
	next := ""
	if len(items) == limit && items[limit-1].Sequence > 1 {
		next = strconv.FormatUint(items[limit-1].Sequence, 10)
	}
	return answer(w, http.StatusOK, listed(items, next))
}

// readBody reads a request body of one of the media types and at most max
// bytes; it never reads more than one byte beyond them.
func readBody(w http.ResponseWriter, r *http.Request, max int64, mediaTypes ...string) ([]byte, error) {
	if err := checkMedia(r, mediaTypes); err != nil {
		return nil, err
	}
	tooLarge := vocab.Problems{vocab.NewProblem("", "request.too_large",
		"内容过大，最多 %d 字节。", "The body is too large; at most %d bytes.", max)}
	if r.ContentLength > max {
		// Not read at all: the connection goes with it.
		w.Header().Set("Connection", "close")
		return nil, tooLarge
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, max+1))
	if err != nil {
		return nil, vocab.Problems{vocab.NewProblem("", "request.body",
			"请求内容没有完整收到，请重新提交。", "The body did not arrive whole; send it again.")}
	}
	if int64(len(raw)) > max {
		w.Header().Set("Connection", "close")
		return nil, tooLarge
	}
	return raw, nil
}

// checkMedia refuses a body that says it is something else. A browser cannot
// send these types from a foreign page without asking first, which this hub
// never grants; so a page elsewhere cannot submit in a visitor's name.
func checkMedia(r *http.Request, mediaTypes []string) error {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return vocab.Problems{vocab.NewProblem("", "request.media_type",
			"请求内容请不要压缩（Content-Encoding）。", "Send the body uncompressed (Content-Encoding).")}
	}
	got, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset := params["charset"]; err == nil && charset != "" && !strings.EqualFold(charset, "utf-8") {
		return vocab.Problems{vocab.NewProblem("", "request.media_type",
			"请求内容应为 UTF-8 编码（JSON 只用 UTF-8），请转换后重发。", "JSON is UTF-8 (RFC 8259, section 8.1): convert the body and send it again.")}
	}
	for _, want := range mediaTypes {
		if err == nil && got == want {
			return nil
		}
	}
	return vocab.Problems{vocab.NewProblem("", "request.media_type",
		"请把请求头 Content-Type 设为 %s。", "Set the header Content-Type to %s.", mediaTypes[0])}
}
