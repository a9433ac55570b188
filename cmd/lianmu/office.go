package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"
	"time"
	"unicode"

	"lianmu/vocab"
)

// desk is how an operator's command reaches the hub.
type desk struct {
	Hub string `required:"" placeholder:"URL" env:"LIANMU_HTTP_HUB" help:"http://HOST:PORT."`
	Key string `required:"" placeholder:"FILE" env:"LIANMU_OPERATOR_KEY" help:"An operator's key; the hub's own is DIR/hub.key."`
}

// office is a desk for what answers with more than that it is done.
type office struct {
	desk `embed:""`
	JSON bool `name:"json" help:"Print what the hub answers as JSON; lists as JSON lines."`
}

// enter reads the key and returns the hub.
func (d desk) enter(s *streams) (*hubClient, error) { return enterHub(d.Hub, d.Key, s.Now) }

// command is a command line for the same hub and key, to be pasted into a shell.
func (d desk) command(words ...string) string {
	return commandLine(append(words, "--hub", d.Hub, "--key", d.Key)...)
}

// commandLine writes a command of this program for a shell, with quotes where it
// needs them.
func commandLine(words ...string) string {
	var b strings.Builder
	b.WriteString("lianmu")
	for _, w := range words {
		b.WriteString(" " + shellWord(w))
	}
	return b.String()
}

// shellWord writes a word for a shell, which takes it for that word whatever is in
// it; what would steer the terminal is dropped.
func shellWord(w string) string {
	w = clean(w)
	if w == "" || strings.ContainsFunc(w, func(r rune) bool {
		return unicode.IsSpace(r) || r < 0x80 && !strings.ContainsRune(shellPlain, r)
	}) {
		return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	return w
}

// elsewhere is a command that another side runs, for its own hub.
func elsewhere(words ...string) string {
	return commandLine(append(words, "--hub", "URL", "--key", "FILE")...)
}

// shellPlain are the ASCII characters that mean nothing to a shell.
const shellPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+:,./@%"

// approving is the command with which another officer, who has a key of his own,
// agrees to a proposal.
func approving(hub, id string) string {
	return commandLine("space", "approve", "--hub", hub, "--key", "FILE", id)
}

// items reads a list of the hub page by page, as whoever has the key. It ends
// after the first error.
func items(ctx context.Context, hub *hubClient, path string) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for cursor := ""; ; {
			var page struct {
				Items []json.RawMessage `json:"items"`
				Next  string            `json:"next"`
			}
			query := url.Values{"limit": {"100"}}
			if cursor != "" {
				query.Set("cursor", cursor)
			}
			if err := hub.asMe(ctx, path+"?"+query.Encode(), &page); err != nil {
				yield(nil, err)
				return
			}
			for _, raw := range page.Items {
				if !yield(raw, nil) {
					return
				}
			}
			if page.Next == "" || page.Next == cursor {
				return
			}
			cursor = page.Next
		}
	}
}

// pages reads all of a list. Where JSON is wanted it prints every item as a line,
// and tells that all has been shown.
func pages[T any](ctx context.Context, s *streams, o office, path string) (list []T, shown bool, err error) {
	hub, err := o.enter(s)
	if err != nil {
		return nil, false, err
	}
	for raw, err := range items(ctx, hub, path) {
		if err != nil {
			return nil, false, refusedBy(s, err)
		}
		if o.JSON {
			if _, err := fmt.Fprintf(s.Out, "%s\n", raw); err != nil {
				return nil, true, err
			}
			continue
		}
		var item T
		if err := receive(raw, &item); err != nil {
			return nil, false, err
		}
		list = append(list, item)
	}
	return list, o.JSON, nil
}

// refusedBy shows what the hub refused and why, as exit code 1; other errors stay
// what they are.
func refusedBy(s *streams, err error) error {
	var ps vocab.Problems
	if !errors.As(err, &ps) {
		return err
	}
	fmt.Fprintf(s.Err, "lianmu: %s\n", sayProblems(ps))
	return exitCode(1)
}

// note shows what should be known though all went well; nothing if there is
// nothing.
func note(s *streams, warnings vocab.Problems) {
	if len(warnings) > 0 {
		fmt.Fprintf(s.Err, tr("提醒：%s\n", "note: %s\n"), sayProblems(warnings))
	}
}

// minute and second write a time of here, with its zone ("UTC", "CST" or
// "+08"), so that nobody takes it for another.
func minute(t time.Time) string { return t.Local().Format("2006-01-02 15:04 MST") }

func second(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }
