package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"lianmu/federation/identity"
	"lianmu/vocab/jsonld"
)

// signCmd signs documents from standard input to standard output.
type signCmd struct {
	Key     []string      `required:"" placeholder:"FILE" help:"Key file to sign with; repeat it where several must sign, the author's first."`
	Suite   string        `default:"eddsa-jcs-2022" help:"Cryptosuite; only eddsa-jcs-2022 so far."`
	Expires time.Duration `placeholder:"8760h" help:"How long the signature holds; without it, for ever."`
	Beside  bool          `help:"Sign documents that are signed already, beside their authors."`
}

// Run signs every document it reads. One that cannot be signed is named with
// its line on standard error, is left out, and makes the exit code 1; the
// others are signed all the same.
func (c *signCmd) Run(s *streams) error {
	if c.Suite != identity.Suite {
		return fmt.Errorf(tr("暂不支持签名算法 %q，目前只有 %s", "no suite %q yet: only %s so far"), c.Suite, identity.Suite)
	}
	if c.Expires < 0 {
		return errors.New(tr("--expires 不能是负数", "--expires cannot be negative"))
	}
	keys, err := readKeys(c.Key)
	if err != nil {
		return err
	}
	in, err := openInput([]string{"-"}, s.In)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(s.Out)
	decoder := jsonld.New(jsonld.Limits{})
	var times creations
	count, failed := 0, 0
	for doc := range in.documents() {
		count++
		signed, err := c.sign(decoder, keys, &times, doc, s.Now())
		if err != nil {
			failed++
			fmt.Fprintf(s.Err, "%s: %s\n", doc.place(), describe(err))
			continue
		}
		if _, err := out.Write(append(signed, '\n')); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	times.settle(context.Background(), s.Now)
	return judged(s, count, failed)
}

func (c *signCmd) sign(decoder *jsonld.Processor, keys []identity.Signer, times *creations, doc document, now time.Time) ([]byte, error) {
	if len(doc.Problems) > 0 {
		return nil, doc.Problems
	}
	// Decode refuses what a hub would refuse, in a hub's words.
	d, err := decoder.Decode(doc.Raw)
	if err != nil {
		return nil, err
	}
	o := identity.SignOptions{Created: times.next(now, doc.ID)}
	if c.Expires > 0 {
		o.Expires = o.Created.Add(c.Expires)
	}
	if c.Beside {
		return identity.Cosign(d.Raw, o, keys...)
	}
	return identity.Sign(d.Raw, keys[0], o, keys[1:]...)
}

// judged ends a command that looked at count documents, of which failed were
// named on the way. Nothing at all is a fault too: an empty file where
// documents were meant must not pass for success.
func judged(s *streams, count, failed int) error {
	switch {
	case count == 0:
		fmt.Fprintln(s.Err, tr("没有读到任何文档", "no document was read"))
		return exitCode(1)
	case failed > 0:
		return exitCode(1)
	}
	return nil
}

// place names where a document was read, for people.
func (d document) place() string { return fmt.Sprintf("%s:%d", d.File, d.Line) }
