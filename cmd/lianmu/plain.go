package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a hub answers is written by others: by its operator, and by every space and
// hub whose descriptions it holds. Two things keep it from steering the terminal.
// receive takes every answer in and makes one line of each text, so that none can
// pass for a line of this program; plain is what everything is written through, and
// lets nothing out that a terminal would obey, wherever it came from.

// steers tells a character that a terminal, or who reads on it, would obey and not
// see: controls, line separators, and what turns the direction of writing.
func steers(r rune) bool {
	return unicode.IsControl(r) || r == 0x061C || r == 0x200E || r == 0x200F || r >= 0x2028 && r <= 0x202E || r >= 0x2066 && r <= 0x2069
}

// clean drops what would steer the terminal instead of showing on it. The result
// is one line.
func clean(s string) string {
	if !strings.ContainsFunc(s, steers) && utf8.ValidString(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r' || r == 0x2028 || r == 0x2029:
			return ' '
		case steers(r):
			return -1
		}
		return r // U+FFFD for a byte that is no UTF-8: alone it may be a control
	}, s)
}

// receive reads a JSON answer into out and cleans every text in it. Bytes, and so
// signed documents (json.RawMessage), stay as they came.
func receive(data []byte, out any) error {
	if err := json.Unmarshal(data, out); err != nil {
		return err
	}
	cleanAll(reflect.ValueOf(out))
	return nil
}

// cleanAll cleans the texts that v, a pointer or what one leads to, holds; keys of
// maps too.
func cleanAll(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			cleanAll(v.Elem())
		}
	case reflect.Interface:
		if !v.IsNil() && v.CanSet() {
			v.Set(cleaned(v.Elem()))
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString(clean(v.String()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() || f.Anonymous {
				cleanAll(v.Field(i))
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		for i := range v.Len() {
			cleanAll(v.Index(i))
		}
	case reflect.Map:
		entries := v.MapRange()
		kept := reflect.MakeMapWithSize(v.Type(), v.Len())
		for entries.Next() {
			kept.SetMapIndex(cleaned(entries.Key()), cleaned(entries.Value()))
		}
		if v.CanSet() && !v.IsNil() {
			v.Set(kept)
		}
	}
}

// cleaned is a clean copy of a value that cannot be changed where it is.
func cleaned(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	cleanAll(c)
	return c
}

// plain writes on what a person may be looking at. Whatever would steer it becomes
// its JSON escape, so that it shows, and JSON stays the JSON it was; of controls
// only line ends and tabs pass. A
// character that a write leaves unfinished waits for the next one.
type plain struct {
	w    io.Writer
	rest []byte // an unfinished character
}

// Write implements io.Writer.
func (p *plain) Write(b []byte) (int, error) {
	text := b
	if len(p.rest) > 0 {
		text = append(p.rest, b...)
		p.rest = nil
	}
	if cut := unfinished(text); cut > 0 {
		p.rest = bytes.Clone(text[len(text)-cut:])
		text = text[:len(text)-cut]
	}
	if _, err := p.w.Write(escaped(text)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Flush writes what never became a character.
func (p *plain) Flush() error {
	_, err := p.w.Write(escaped(p.rest))
	p.rest = nil
	return err
}

// unfinished is how many bytes at the end begin a character and do not end it.
func unfinished(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if last := b[len(b)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

func escaped(b []byte) []byte {
	harmless := func(r rune) bool { return r == '\n' || r == '\t' || r != utf8.RuneError && !steers(r) }
	if bytes.IndexFunc(b, func(r rune) bool { return !harmless(r) }) < 0 {
		return b
	}
	out := make([]byte, 0, len(b)+32)
	for _, r := range string(b) {
		switch {
		case r == '\r':
			out = append(out, ' ') // white space in JSON, where no escape may be
		case harmless(r), r == utf8.RuneError:
			out = utf8.AppendRune(out, r)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
