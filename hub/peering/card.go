package peering

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"lianmu/federation/identity"
	"lianmu/vocab"
	"lianmu/vocab/jsonld"
	"lianmu/vocab/shape"
)

// MaxCard is the most bytes of a log card.
const MaxCard = 16 << 10

const ownContext = "https://w3id.org/lianmu/v1"

// Card is a log card that was checked: what a hub says of its log, signed by that
// hub.
type Card struct {
	vocab.LogCard
	Raw     []byte    // as signed
	Created time.Time // of the proof: of two cards of one log the later one holds
}

// signCard writes a log card as JSON-LD in our own context and signs it.
func signCard(c vocab.LogCard, key identity.Signer, now time.Time) ([]byte, error) {
	text := struct {
		Context      string     `json:"@context"`
		Type         string     `json:"@type"`
		Origin       string     `json:"origin"`
		Hub          string     `json:"hub"`
		VerifierKey  string     `json:"verifierKey"`
		ID           string     `json:"@id"`
		Epoch        uint64     `json:"epoch"`
		Name         vocab.Text `json:"name,omitempty"`
		Addresses    []string   `json:"address,omitempty"`
		Contact      string     `json:"contact,omitempty"`
		Jurisdiction string     `json:"jurisdiction"`
		Retention    uint64     `json:"retention"`
		Agreement    string     `json:"agreement,omitempty"`
		Open         bool       `json:"open"`
		OpenUntil    uint64     `json:"openUntil,omitempty"`
	}{
		ownContext, "Log", c.Origin, c.Hub, c.VerifierKey, uuid.New().URN(), c.Epoch, c.Name, c.Addresses, c.Contact, c.Jurisdiction,
		c.Retention, "", c.Open, c.OpenUntil,
	}
	if !c.Agreement.IsZero() {
		text.Agreement = c.Agreement.String()
	}
	raw, err := json.Marshal(text)
	if err != nil {
		return nil, err
	}
	return identity.Sign(raw, key, identity.SignOptions{Created: now})
}

// cards reads log cards. Peers show the same ones again and again, so those that
// were found right are remembered.
type cards struct {
	processor *jsonld.Processor
	reader    *shape.Reader
	now       func() time.Time
	known     *lru.Cache[vocab.Digest, *Card]
}

const cardsKept = 2048 // some 10 MB

// read checks a log card: that the hub that it names signed it, and that log and
// key bear that hub's name. Errors are vocab.Problems with code peer.card, or
// what is wrong with the document.
func (c cards) read(ctx context.Context, raw []byte) (_ *Card, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = noCard("读不了："+fmt.Sprint(r), "it cannot be read: "+fmt.Sprint(r))
		}
	}()
	if len(raw) == 0 {
		return nil, noCard("还没有收到", "none was shown yet")
	}
	if len(raw) > MaxCard {
		return nil, noCard(fmt.Sprintf("超过 %d 字节", MaxCard), fmt.Sprintf("it is over %d bytes", MaxCard))
	}
	if card, ok := c.known.Get(vocab.DigestOf(raw)); ok {
		return card, nil
	}
	d, err := c.processor.Decode(raw)
	if err != nil {
		return nil, err
	}
	sec, err := identity.Verify(d, c.now())
	if err != nil {
		if vocab.ProblemsOf(err, "")[0].Code == "proof.missing" { // it would tell whoever brought it to sign it
			err = noCard("没有签名", "it is not signed")
		}
		return nil, err
	}
	r, err := c.reader.ReadDocument(ctx, c.processor, raw, c.now())
	if err != nil {
		return nil, err
	}
	card := r.Log
	switch {
	case card == nil:
		return nil, noCard("@type 不是 Log", "@type is not Log")
	case sec.Space != card.Hub:
		return nil, noCard("签名者是 "+sec.Space+"，不是 "+card.Hub, "signed by "+sec.Space+", not by "+card.Hub)
	case card.Origin != vocab.LogOrigin(card.Hub, card.Epoch):
		return nil, noCard("账本名不属于该节点："+card.Origin, "the origin is not one of this hub: "+card.Origin)
	case !strings.HasPrefix(card.VerifierKey, card.Origin+"+"):
		return nil, noCard("账本公钥不属于 "+card.Origin, "the verifier key is not one of "+card.Origin)
	case !country(card.Jurisdiction):
		return nil, noCard("法域 "+card.Jurisdiction+" 不是两个字母的国家或地区代码", "jurisdiction "+card.Jurisdiction+" is not a country's two letters")
	case len(card.Addresses) > maxAddresses:
		return nil, noCard("地址过多", "it has too many addresses")
	}
	for _, a := range card.Addresses {
		if _, err := parseAddress(a); err != nil {
			return nil, err
		}
	}
	read := &Card{LogCard: *card, Raw: bytes.Clone(raw), Created: sec.Created}
	c.known.Add(vocab.DigestOf(raw), read)
	return read, nil
}

// ReadCard checks a log card by itself, as a hub does: that the hub that it names
// signed it, and that log and key bear that hub's name. Errors are vocab.Problems
// with code peer.card, or what is wrong with the document.
func ReadCard(ctx context.Context, p *jsonld.Processor, r *shape.Reader, raw []byte, now func() time.Time) (*Card, error) {
	known, err := lru.New[vocab.Digest, *Card](1)
	if err != nil {
		return nil, err
	}
	return cards{processor: p, reader: r, now: now, known: known}.read(ctx, raw)
}

// sameCard reports whether two signed cards are the same bytes.
func sameCard(a, b []byte) bool { return bytes.Equal(a, b) }

func noCard(zh, en string) error {
	return vocab.Problems{vocab.NewProblem("", "peer.card",
		"这不是有效的目录账本名片（%[1]s）。请对方用 lianmu peer invite 重新生成。",
		"this is no valid log card (%[2]s): have the other side make one anew with lianmu peer invite", clip(zh), clip(en))}
}

// notOf refuses a hub's card that another hub shows.
func notOf(card *Card, did string) error {
	return noCard("是 "+card.Hub+" 的，却来自 "+did, "it is of "+card.Hub+", but came from "+did)
}
