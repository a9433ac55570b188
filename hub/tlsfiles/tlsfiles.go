// Package tlsfiles serves TLS with a certificate from files, and takes up new
// files without a restart. HTTP and NATS use the same.
//
// It never makes a certificate, never asks anybody for one, and never looks at
// clients' certificates.
package tlsfiles

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"lianmu/vocab"
)

// Bounds.
const (
	maxFile = 1 << 20     // bytes of a certificate chain or a key
	every   = time.Second // how often handshakes look at the files, at most
)

// Config returns a TLS configuration (TLS 1.2 at least, RFC 9325 section 3.1.1)
// with the certificate chain and private key in two PEM files. Handshakes look
// whether the files have changed, once a second at most; a new pair is used when
// it is whole, and until then the one before, which is logged once for each
// change.
//
// The key must be readable by its owner alone. Errors are vocab.Problems:
// tls.files, tls.permissions.
func Config(cert, key string, now func() time.Time, log *slog.Logger) (*tls.Config, error) {
	if cert == "" || key == "" {
		return nil, vocab.Problems{vocab.NewProblem("", "tls.files",
			"TLS 需要证书和私钥两个文件：请同时给出 --tls-cert 和 --tls-key。",
			"TLS needs two files, certificate and private key: give both --tls-cert and --tls-key")}
	}
	p := &pair{certFile: cert, keyFile: key, now: now, log: log}
	p.seen = p.look()
	var err error
	if p.current, err = load(cert, key); err != nil {
		return nil, err
	}
	p.looked = now()
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.get(), nil },
	}, nil
}

// pair is the certificate in use.
type pair struct {
	certFile, keyFile string
	now               func() time.Time
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	seen    [2]state // of the files, when they were last read
	looked  time.Time
}

// state tells one content of a file from another without reading it.
type state struct {
	changed time.Time
	size    int64
	mode    fs.FileMode
}

func (p *pair) look() (s [2]state) {
	for i, name := range []string{p.certFile, p.keyFile} {
		// A file that is away, as while it is being replaced, is a state too.
		if info, err := os.Stat(name); err == nil {
			s[i] = state{info.ModTime(), info.Size(), info.Mode()}
		}
	}
	return s
}

func (p *pair) get() *tls.Certificate {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Sub(p.looked).Abs() < every {
		return p.current
	}
	p.looked = now
	seen := p.look()
	if seen == p.seen {
		return p.current
	}
	p.seen = seen
	fresh, err := load(p.certFile, p.keyFile)
	if err != nil {
		p.log.Error("the new TLS certificate is of no use; the one before stays in use", "error", err)
		return p.current
	}
	p.log.Info("a new TLS certificate is in use", "until", fresh.Leaf.NotAfter)
	p.current = fresh
	return fresh
}

// load reads and checks a pair.
func load(cert, key string) (*tls.Certificate, error) {
	chain, err := read(cert, false)
	if err != nil {
		return nil, err
	}
	private, err := read(key, true)
	if err != nil {
		return nil, err
	}
	c, err := tls.X509KeyPair(chain, private)
	if err != nil {
		return nil, files(cert+"、"+key, cert+", "+key, err)
	}
	return &c, nil
}

func read(name string, secret bool) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, files(name, name, reason(err))
	}
	defer f.Close()
	info, err := f.Stat() // of what was opened, whatever the name means by now
	if err != nil {
		return nil, files(name, name, reason(err))
	}
	if !info.Mode().IsRegular() {
		return nil, files(name, name, errors.New("not a regular file"))
	}
	if mode := info.Mode().Perm(); secret && mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, vocab.Problems{vocab.NewProblem("", "tls.permissions",
			"私钥文件 %[1]s 的权限是 %[2]o，其他人能读到或改动它。请运行 chmod 600；若别人可能已经读过，请换一张证书。",
			"others can read or write the private key %[1]s (mode %[2]o): run chmod 600 on it, and have a new certificate made if somebody may have read it",
			name, mode)}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("larger than %d bytes", maxFile)
	}
	if err != nil {
		return nil, files(name, name, reason(err))
	}
	return b, nil
}

func files(zh, en string, cause error) error {
	return vocab.Problems{vocab.NewProblem("", "tls.files",
		"TLS 证书或私钥用不了（%[1]s）：%[3]v。应为 PEM 格式，证书文件里先是本节点的证书、再是中间证书，私钥与之相配。",
		"the TLS certificate or key is of no use (%[2]s): %[3]v; they must be PEM, the hub's certificate first and then those between, and the key must be its own",
		zh, en, cause)}
}

// reason is a file's error without its name, which stands beside it.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
