package peering

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"lianmu/vocab"
)

// Settings are what a hub tells its peers of itself, and when it calls a log
// silent: `peering:` in the configuration.
type Settings struct {
	Name    vocab.Text `json:"name"`    // of this hub, by language: {zh: …, en: …}
	Contact string     `json:"contact"` // a desk, never a person: an address of a page or of mail
	// Jurisdiction is under whose law the hub is: ISO 3166-1 alpha-2, default CN.
	Jurisdiction string `json:"jurisdiction"`
	// Retention is for how many days after it left the log a body is kept here;
	// 0: this is not bounded.
	Retention uint64 `json:"retention_days"`
	// Agreement is the file of the agreement that the exchange rests on; peers are
	// told its SHA-256, so that both can see that they mean the same text.
	Agreement string `json:"agreement"`
	// Addresses are where peers reach this hub: nats://, tls://, http://
	// and https://, the best first; no WebSocket, on which nothing bounds what a
	// hostile NATS server announces (exchange.Dialer). Default: where the hub
	// listens, which is good for a trial on one machine.
	Addresses   []string      `json:"addresses"`
	AgeingAfter time.Duration `json:"ageing_after"` // default 24 hours
	StaleAfter  time.Duration `json:"stale_after"`  // default 120 hours
	// MaxEntries is how many entries the mirrors of one peer may have together, those
	// that it relays included; each takes about 1 KB of memory. Default 1,000,000.
	MaxEntries uint64 `json:"max_entries"`
}

// Bounds of settings.
const (
	DefaultJurisdiction = "CN"
	maxAddresses        = 8
	maxAddress          = 512 // bytes
	maxText             = 200 // characters
	maxAgreement        = 64 << 20
	maxRetention        = 36_500
	DefaultMaxEntries   = 1_000_000
	mostMaxEntries      = 1 << 31
)

// fill sets defaults, and says what cannot be meant.
func (s *Settings) fill() error {
	s.Jurisdiction = strings.ToUpper(cmp.Or(s.Jurisdiction, DefaultJurisdiction))
	s.AgeingAfter = cmp.Or(s.AgeingAfter, DefaultAgeingAfter)
	s.StaleAfter = cmp.Or(s.StaleAfter, max(DefaultStaleAfter, s.AgeingAfter))
	s.MaxEntries = cmp.Or(s.MaxEntries, DefaultMaxEntries)
	var ps vocab.Problems
	refuse := func(path, zh, en string, args ...any) {
		ps = append(ps, vocab.NewProblem("/peering/"+path, "peering.settings", zh, en, args...))
	}
	if !country(s.Jurisdiction) {
		refuse("jurisdiction", "peering.jurisdiction 应为两个字母的国家或地区代码，例如 CN。", "peering.jurisdiction is a country's two letters, such as CN.")
	}
	if s.AgeingAfter < 0 || s.StaleAfter < s.AgeingAfter {
		refuse("stale_after", "peering.ageing_after 与 stale_after 应为正的时长，且前者不长于后者。", "peering.ageing_after and stale_after are positive times, the first not beyond the second.")
	}
	if s.MaxEntries > mostMaxEntries {
		refuse("max_entries", "peering.max_entries 应为 1 到 %d。", "peering.max_entries is between 1 and %d.", mostMaxEntries)
	}
	if s.Retention > maxRetention {
		refuse("retention_days", "peering.retention_days 应为 0 到 %d 天。", "peering.retention_days is between 0 and %d days.", maxRetention)
	}
	if utf8.RuneCountInString(s.Contact) > maxText || vocab.Printable(s.Contact) != s.Contact {
		refuse("contact", "peering.contact 应为一行文字，不超过 %d 个字符。", "peering.contact is one line of at most %d characters.", maxText)
	}
	for lang, name := range s.Name {
		if utf8.RuneCountInString(name) > maxText || vocab.Printable(name) != name {
			refuse("name/"+lang, "peering.name 应为一行文字，不超过 %d 个字符。", "peering.name is one line of at most %d characters.", maxText)
		}
	}
	if len(s.Addresses) > maxAddresses {
		refuse("addresses", "peering.addresses 最多 %d 个地址。", "peering.addresses are at most %d.", maxAddresses)
	}
	for _, a := range s.Addresses {
		if _, err := parseAddress(a); err != nil {
			ps = append(ps, vocab.ProblemsOf(err, "peering.settings")...)
		}
	}
	if len(ps) > 0 {
		return ps
	}
	return nil
}

// country reports whether s is of the form of ISO 3166-1 alpha-2.
func country(s string) bool {
	return len(s) == 2 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// agreement is the digest of the agreement's file; zero where none is named.
func (s *Settings) agreement() (d vocab.Digest, err error) {
	if s.Agreement == "" {
		return d, nil
	}
	f, err := os.Open(s.Agreement)
	if err != nil {
		return d, fmt.Errorf("the agreement that peering.agreement names: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxAgreement+1))
	switch {
	case err != nil:
		return d, fmt.Errorf("the agreement that peering.agreement names: %w", err)
	case len(b) > maxAgreement:
		return d, errors.New("the agreement that peering.agreement names is over 64 MB")
	}
	return vocab.DigestOf(b), nil
}

// parseAddress reads where a hub is reached. Errors are vocab.Problems with code
// peer.address.
func parseAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err == nil && len(address) <= maxAddress && u.Hostname() != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" {
		switch u.Scheme {
		case "nats", "tls", "http", "https":
			return u, nil
		}
	}
	if i := strings.LastIndex(address, "@"); i >= 0 {
		address = "…" + address[i:] // what stands before it may be a password
	}
	return nil, vocab.Problems{vocab.NewProblem("/addresses", "peer.address",
		"%[1]q 不是对等节点的地址。请写成 nats://主机:端口、tls://、http:// 或 https:// 开头的地址，不带用户名和口令。",
		"%[1]q is no address of a peer: write nats://HOST:PORT, or one that begins with tls://, http:// or https://, without user and password", clip(address))}
}

// plain reports whether somebody between here and an address can read what is
// exchanged: it is not on this machine, and there is no TLS.
func plain(address string) bool {
	u, err := parseAddress(address)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "nats", "http":
		host := u.Hostname()
		return host != "localhost" && host != "::1" && !strings.HasPrefix(host, "127.")
	}
	return false
}

func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}
