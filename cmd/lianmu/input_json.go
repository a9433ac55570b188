package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"lianmu/vocab"
)

// maxValue bounds the memory that one value of an array may take; a value
// between maxDocument and maxValue is refused alone, a longer one ends its
// file.
const maxValue = 16 << 20

// readLines yields one document a line. A bad line is reported and the next
// one is read; an over-long line is passed over without being held in memory.
func readLines(name string, br *bufio.Reader, yield func(document) bool) bool {
	var line []byte
	for n := 1; ; n++ {
		line = line[:0]
		size := 0
		var err error
		for {
			var part []byte
			part, err = br.ReadSlice('\n')
			size += len(part)
			if len(line) <= maxDocument+maxEnvelope {
				line = append(line, part...)
			}
			if err != bufio.ErrBufferFull {
				break
			}
		}
		if err != nil && err != io.EOF {
			return yield(unreadable(name, n, err)) // what came of this line is not the document
		}
		if text := bytes.TrimSpace(line); len(text) > 0 {
			doc := document{File: name, Line: n, Problems: tooLarge(size)}
			if size == len(line) {
				doc = documentAt(name, n, text)
			}
			if !yield(doc) {
				return false
			}
		}
		if err == io.EOF {
			return true
		}
	}
}

func tooLarge(size int) vocab.Problems {
	return vocab.Problems{vocab.NewProblem("", "size.document",
		"文档有 %s 字节，超过上限 %s 字节；请缩短描述，或拆成几份", "the document has %s bytes, more than the limit of %s; shorten it or split it up",
		number(size), number(maxDocument))}
}

// readAny reads a file whose name does not say how it is built: JSON lines
// where its first line is a whole object, else a document, several one after
// another, or arrays of documents, laid out over any number of lines.
func readAny(name string, br *bufio.Reader, yield func(document) bool) bool {
	first := bufio.NewReaderSize(br, maxDocument+1)
	head, err := first.ReadSlice('\n')
	head = bytes.Clone(head)
	rest := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(head), first), 64<<10)
	if err == nil && bytes.HasPrefix(bytes.TrimSpace(head), []byte("{")) && jsontext.Value(head).IsValid(lenient...) {
		return readLines(name, rest, yield)
	}
	return readValues(name, rest, yield)
}

// lenient decoding finds where a document ends; what is wrong inside it is
// for the signer and the hub to say, by path.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

func readValues(name string, r io.Reader, yield func(document) bool) bool {
	at := &placeReader{r: r, line: 1}
	dec := jsontext.NewDecoder(at, lenient...)
	for {
		at.from = dec.InputOffset()
		switch dec.PeekKind() {
		case '[', ']':
			if dec.StackDepth() == 0 || dec.PeekKind() == ']' {
				if _, err := dec.ReadToken(); err != nil {
					return yield(syntaxFault(name, at, dec, err))
				}
				continue
			}
		}
		value, err := dec.ReadValue()
		if err == io.EOF && dec.StackDepth() == 0 {
			return true
		}
		if err != nil {
			return yield(syntaxFault(name, at, dec, err))
		}
		line := at.lineOf(dec.InputOffset() - int64(len(value)))
		if !yield(documentAt(name, line, value)) {
			return false
		}
	}
}

func syntaxFault(name string, at *placeReader, dec *jsontext.Decoder, err error) document {
	var syntax *jsontext.SyntacticError
	if !errors.As(err, &syntax) || errors.Is(err, errTooLong) {
		return unreadable(name, at.lineOf(dec.InputOffset()), err)
	}
	if at.encoding.bad {
		// In GBK the second byte of a character may be a backslash, which then
		// takes the closing quote.
		return document{File: name, Line: at.lineOf(syntax.ByteOffset), Problems: notUTF8("GBK")}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return unreadable(name, at.lineOf(syntax.ByteOffset), io.ErrUnexpectedEOF)
	}
	return document{File: name, Line: at.lineOf(syntax.ByteOffset), Problems: vocab.Problems{vocab.NewProblem("", "json.syntax",
		"不是正确的 JSON：%s；此处之后的内容没有读（每行一份文档的文件请用 .jsonl 作扩展名，坏行会单独列出）",
		"not well-formed JSON: %s; nothing after this place was read (name a file with one document a line .jsonl and bad lines are listed one by one)",
		syntax.Err)}}
}

var errTooLong = errors.New("a single document of more than 16 MB")

// placeReader knows on which line a byte offset lies, and stops a value that
// grows beyond maxValue.
type placeReader struct {
	r        io.Reader
	offset   int64   // bytes read
	from     int64   // where the value being read begins
	line     int     // line of the last offset asked for
	newlines []int64 // offsets of line ends beyond it
	encoding utf8Watch
}

// utf8Watch tells whether what has passed is UTF-8, read in any pieces.
type utf8Watch struct {
	bad  bool
	rest []byte // the beginning of a character whose end is in the next piece
}

func (u *utf8Watch) pass(b []byte) {
	if u.bad {
		return
	}
	if len(u.rest) > 0 {
		b = append(u.rest, b...)
	}
	u.rest = nil
	for i := max(0, len(b)-utf8.UTFMax+1); i < len(b); i++ {
		if utf8.RuneStart(b[i]) && !utf8.FullRune(b[i:]) {
			u.rest = bytes.Clone(b[i:])
			b = b[:i]
		}
	}
	u.bad = !utf8.Valid(b)
}

func (p *placeReader) Read(b []byte) (int, error) {
	if p.offset-p.from > maxValue {
		return 0, errTooLong
	}
	n, err := p.r.Read(b)
	for i, c := range b[:n] {
		if c == '\n' {
			p.newlines = append(p.newlines, p.offset+int64(i))
		}
	}
	p.offset += int64(n)
	p.encoding.pass(b[:n])
	return n, err
}

// lineOf returns the line of a byte offset; offsets asked for never decrease.
func (p *placeReader) lineOf(offset int64) int {
	passed := 0
	for passed < len(p.newlines) && p.newlines[passed] < offset {
		passed++
	}
	p.newlines = p.newlines[passed:]
	p.line += passed
	return p.line
}
