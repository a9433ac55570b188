package api

import (
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"lianmu/vocab"
)

// pieceTime is how long a client may take for one piece of what is long.
const pieceTime = time.Minute

// unhurried lets a request take longer than the server's usual time: each piece of
// its body and of the answer has a time of its own. The usual limit of reading
// would end the request's context even where all has been read.
type unhurried struct {
	w    http.ResponseWriter
	body io.Reader
	conn *http.ResponseController
}

// takeTime begins an unhurried request. Deadlines go by the machine's clock, as
// connections know no other. Where there is no connection there is no limit.
func takeTime(w http.ResponseWriter, r *http.Request) unhurried {
	u := unhurried{w, r.Body, http.NewResponseController(w)}
	_ = u.conn.SetReadDeadline(time.Time{})
	_ = u.conn.SetWriteDeadline(time.Time{})
	return u
}

func (u unhurried) Write(b []byte) (int, error) {
	_ = u.conn.SetWriteDeadline(time.Now().Add(pieceTime))
	return u.w.Write(b)
}

func (u unhurried) Read(b []byte) (int, error) {
	_ = u.conn.SetReadDeadline(time.Now().Add(pieceTime))
	n, err := u.body.Read(b)
	if err != nil {
		_ = u.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}

// exportLog writes a log as a bundle, which another hub imports.
func (a *api) exportLog(w http.ResponseWriter, r *http.Request) error {
	p := readParams(r)
	from := p.index("from")
	if err := p.end(); err != nil {
		return err
	}
	origin, err := pathValue(r, "id", maxOrigin)
	if err != nil {
		return err
	}
	who, err := a.Guard.Who(r)
	if err != nil {
		return err
	}
	if origin == "own" {
		origin = a.Log.Origin()
	}
	head := w.Header()
	head.Set("Content-Type", "application/octet-stream")
	head.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": strings.ReplaceAll(origin, "/", "-") + ".bundle"}))
	err = a.Peers.Export(r.Context(), who, takeTime(w, r), origin, from)
	if err != nil {
		head.Del("Content-Disposition")
	}
	return err
}

// importLog takes a log in from a bundle, and answers when that is done. Whoever
// goes away before ends it; sent again it goes on where it was.
func (a *api) importLog(w http.ResponseWriter, r *http.Request) error {
	if err := readParams(r).end(); err != nil {
		return err
	}
	who, err := a.Guard.Who(r)
	if err != nil {
		return err
	}
	if err := checkMedia(r, []string{"application/octet-stream"}); err != nil {
		return err
	}
	done, err := a.Peers.Import(r.Context(), who, takeTime(w, r))
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, done)
}

// index reads the number of an entry; 0 where there is none.
func (p *params) index(name string) uint64 {
	s := p.text(name, 20)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		p.wrong = append(p.wrong, vocab.NewProblem("/"+name, "request.number",
			"参数 %s 应是账本记录的序号，从 0 起。", "Parameter %s must be the number of an entry, from 0.", name))
	}
	return n
}
