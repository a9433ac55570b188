package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/gorilla/mux"

	"lianmu/federation/ledger"
	"lianmu/vocab"
)

// checkpoint serves the last signed one (C2SP tlog-tiles: text/plain, not to
// be cached).
func (a *api) checkpoint(w http.ResponseWriter, r *http.Request) error {
	if err := readParams(r).end(); err != nil {
		return err
	}
	cp := a.Log.Checkpoint()
	if cp == nil {
		return vocab.Problems{vocab.NewProblem("", "log.not_found",
			"账本还没有签封，请稍后再试。", "The log has no checkpoint yet; try again in a moment.")}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	write(w, http.StatusOK, cp)
	return nil
}

// tilePath is C2SP tlog-tiles: level or "entries", the index in groups of
// three digits, a width where the tile is partial. Nothing else reaches the
// log, so no path can climb out of it.
var tilePath = regexp.MustCompile(`^(?:[0-9]|[1-5][0-9]|6[0-3]|entries)(?:/x[0-9]{3}){0,6}/[0-9]{3}(?:\.p/[1-9][0-9]{0,2})?$`)

func (a *api) tile(w http.ResponseWriter, r *http.Request) error {
	if err := readParams(r).end(); err != nil {
		return err
	}
	path := mux.Vars(r)["path"] // still encoded: a tile's path needs no encoding
	if !tilePath.MatchString(path) {
		return fs.ErrNotExist
	}
	b, err := a.Log.Tile("tile/" + path)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if strings.Contains(path, ".p/") {
		w.Header().Set("Cache-Control", "public, max-age=60") // soon nobody asks for it again
	} else {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	write(w, http.StatusOK, b)
	return nil
}

// logInfo is what a verifier needs before it trusts anything else.
type logInfo struct {
	Origin      string `json:"origin"`
	Size        uint64 `json:"size"`
	VerifierKey string `json:"verifier_key"`
	Hub         string `json:"hub"`
	Open        bool   `json:"open"`                 // admits whoever signs
	OpenUntil   uint64 `json:"open_until,omitempty"` // did so until the log had so many entries
}

func (a *api) log(w http.ResponseWriter, r *http.Request) error {
	if err := readParams(r).end(); err != nil {
		return err
	}
	return answer(w, http.StatusOK, logInfo{a.Log.Origin(), a.Log.Size(), a.Log.VerifierKey(), a.HubDID, a.Open, a.OpenUntil})
}

// documents gives documents by their digests, in order: base64, or null for
// what is not given. Of these, "withheld" lists the digests of those that the hub
// has whole and keeps from this reader; the others are not in the log, or lost,
// and a verifier must hear of that. Nothing is told of a withheld document beyond
// what its leaf record shows to everybody.
// Whoever sees every audience gets every document: a log is verified so.
// It is written as it is read, so a hundred large documents cost the memory of
// one. Where the answer would grow beyond maxDocumentBytes it ends early, and
// "left" says how many of the last digests to ask for again.
func (a *api) documents(w http.ResponseWriter, r *http.Request) error {
	if err := readParams(r).end(); err != nil {
		return err
	}
	digests, err := readDigests(w, r)
	if err != nil {
		return err
	}
	mayRead, err := a.mayRead(r)
	if err != nil {
		return err
	}
	left, size := len(digests), 0
	var withheld []string
	var chunk []byte
	chunk = append(chunk, `{"documents":[`...)
	w.Header().Set("Content-Type", "application/json")
	for i, d := range digests {
		doc, kept, err := a.document(r, d, mayRead)
		if err != nil {
			return err
		}
		n := base64.StdEncoding.EncodedLen(len(doc))
		if i > 0 && size+n > maxDocumentBytes {
			break
		}
		size += n
		left--
		if kept {
			withheld = append(withheld, d.String())
		}
		if i > 0 {
			chunk = append(chunk, ',')
		}
		if doc == nil {
			chunk = append(chunk, "null"...)
		} else {
			chunk = append(chunk, '"')
			chunk = base64.StdEncoding.AppendEncode(chunk, doc)
			chunk = append(chunk, '"')
		}
		if len(chunk) >= 64<<10 {
			if _, err := w.Write(chunk); err != nil {
				return err
			}
			chunk = chunk[:0]
		}
	}
	chunk = append(chunk, `],"left":`...)
	chunk = strconv.AppendInt(chunk, int64(left), 10)
	if len(withheld) > 0 {
		list, err := json.Marshal(withheld)
		if err != nil {
			return err
		}
		chunk = append(append(chunk, `,"withheld":`...), list...)
	}
	chunk = append(chunk, "}\n"...)
	_, _ = w.Write(chunk)
	return nil
}

// document returns one document's bytes, or nil where the reader gets none:
// withheld, if it is there and not for this reader.
func (a *api) document(r *http.Request, d vocab.Digest, mayRead func(ledger.Record) bool) (doc []byte, withheld bool, err error) {
	i, ok := a.Log.Find(d)
	if !ok {
		return nil, false, nil
	}
	rec, err := a.Log.Get(r.Context(), i)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ledger.ErrDamaged) {
		return nil, false, nil // the log has told the operator of a damaged one
	}
	if err != nil {
		return nil, false, fmt.Errorf("read entry %d: %w", i, err)
	}
	if len(rec.Document) == 0 {
		return nil, false, nil
	}
	if !mayRead(rec) {
		return nil, true, nil
	}
	return rec.Document, false, nil
}

func readDigests(w http.ResponseWriter, r *http.Request) ([]vocab.Digest, error) {
	raw, err := readBody(w, r, maxSmallBody, "application/json")
	if err != nil {
		return nil, err
	}
	var body struct {
		Digests []string `json:"digests"`
	}
	if err := decode(raw, &body); err != nil {
		return nil, vocab.Problems{vocab.NewProblem("", "request.json",
			`请求内容应为 JSON:{"digests":["64 位十六进制数字", …]}。`, `The body must be JSON: {"digests":["64 hexadecimal digits", …]}.`)}
	}
	if n := len(body.Digests); n == 0 || n > maxDigests {
		return nil, vocab.Problems{vocab.NewProblem("/digests", "request.count",
			"digests 应有 1 到 %d 个，收到 %d 个。", "digests must hold 1 to %d of them; there are %d.", maxDigests, n)}
	}
	digests := make([]vocab.Digest, len(body.Digests))
	for i, s := range body.Digests {
		if digests[i], err = vocab.ParseDigest(s); err != nil {
			return nil, vocab.Problems{vocab.NewProblem(fmt.Sprintf("/digests/%d", i), "request.digest",
				"第 %d 个摘要应为 64 位十六进制数字（SHA-256）。", "Digest number %d is not 64 hexadecimal digits (SHA-256).", i+1)}
		}
	}
	return digests, nil
}

// decode reads exactly one JSON value, without members that v does not have and
// none twice.
func decode(raw []byte, v any) error {
	return jsonv2.Unmarshal(raw, v, jsonv2.RejectUnknownMembers(true))
}
