package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"lianmu/vocab"
)

// maxDocument is the largest document sent, as a hub's default limit.
const maxDocument = 256 << 10

// document is one JSON document of the input, or, where Problems are set, what
// is wrong at that place; then Raw is nil.
type document struct {
	File string
	Line int // of its first character, from 1
	Raw  []byte
	outline
	Removal  bool // made from a deletion in a feed of changes
	Problems vocab.Problems
}

// input reads documents from files, folders and standard input in constant
// memory, whatever their size.
type input struct {
	stdin io.Reader
	paths []string
	total int64        // bytes of all files as they lie on disk; 0: unknown
	again bool         // all are files that give the same when read again
	read  atomic.Int64 // bytes read of them so far
}

// extensions that a folder is searched for, each also with ".gz".
var extensions = []string{".json", ".jsonld", ".jsonl", ".ndjson"}

// openInput finds the files that args name: files, folders (walked, hidden
// ones left out) and "-" for standard input, which is also what no args mean.
// A name that does not exist is an error before anything is read.
func openInput(args []string, stdin io.Reader) (*input, error) {
	in := &input{stdin: stdin}
	if len(args) == 0 {
		args = []string{"-"}
	}
	known := true
	in.again = true
	for _, arg := range args {
		if arg == "-" {
			in.paths = append(in.paths, arg)
			known = false
			continue
		}
		found := len(in.paths)
		err := filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case path != arg && strings.HasPrefix(d.Name(), "."):
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			case d.IsDir(), path != arg && !hasKnownExtension(path):
				return nil
			}
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				in.total += info.Size()
			} else {
				in.again = false // a pipe
			}
			in.paths = append(in.paths, path)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf(tr("读不到 %s：%w", "cannot read %s: %w"), arg, err)
		}
		if len(in.paths) == found {
			return nil, fmt.Errorf(tr("文件夹 %s 里没有 %s 文件", "folder %s holds no %s files"), arg, strings.Join(extensions, " "))
		}
	}
	if !known {
		in.total, in.again = 0, false
	}
	return in, nil
}

func hasKnownExtension(path string) bool {
	ext := filepath.Ext(strings.TrimSuffix(strings.ToLower(path), ".gz"))
	for _, e := range extensions {
		if ext == e {
			return true
		}
	}
	return false
}

// documents yields every document in order. What cannot be read is yielded
// with its Problems; nothing is left out silently.
func (in *input) documents() iter.Seq[document] {
	return func(yield func(document) bool) {
		for _, path := range in.paths {
			found := false
			more := in.file(path, func(d document) bool {
				found = true
				return yield(d)
			})
			if more && !found {
				more = yield(document{File: nameOf(path), Line: 1, Problems: vocab.Problems{vocab.NewProblem("", "input.empty",
					"里面没有任何文档：文件是空的；请检查是否选错了文件", "there is no document in it: it is empty; check whether this is the right file")}})
			}
			if !more {
				return
			}
		}
	}
}

// file yields the documents of one file; it returns false where the reader
// has had enough.
func (in *input) file(path string, yield func(document) bool) bool {
	name, r := nameOf(path), in.stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return yield(unreadable(name, 0, err))
		}
		defer f.Close()
		r = &countingReader{r: f, n: &in.read}
	}
	br := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := br.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		gz, err := gzip.NewReader(br)
		if err != nil {
			return yield(unreadable(name, 0, err))
		}
		br = bufio.NewReaderSize(gz, 64<<10)
	}
	if bom, _ := br.Peek(3); bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		_, _ = br.Discard(3)
	}
	if head, _ := br.Peek(2); isUTF16(head) {
		return yield(document{File: name, Line: 1, Problems: notUTF8("UTF-16")})
	}
	switch filepath.Ext(strings.TrimSuffix(strings.ToLower(path), ".gz")) {
	case ".jsonl", ".ndjson":
		return readLines(name, br, yield)
	}
	return readAny(name, br, yield)
}

func nameOf(path string) string {
	if path == "-" {
		return "stdin"
	}
	return path
}

// isUTF16 tells a file in UTF-16 by its first two bytes: the byte order mark,
// or a character of JSON's with a zero byte beside it.
func isUTF16(head []byte) bool {
	return len(head) == 2 && (head[0] == 0 || head[1] == 0 || head[0] == 0xff && head[1] == 0xfe || head[0] == 0xfe && head[1] == 0xff)
}

// notUTF8 says how to convert what is in another encoding; which one it is can
// only be guessed.
func notUTF8(encoding string) vocab.Problems {
	return vocab.Problems{vocab.NewProblem("", "input.encoding",
		"文件不是 UTF-8 编码（看起来是 %[1]s）；请先转换：iconv -f %[1]s -t UTF-8 原文件 > 新文件，或在编辑器里另存为 UTF-8",
		"the file is not UTF-8 (it looks like %[1]s); convert it to UTF-8: iconv -f %[1]s -t UTF-8 OLD > NEW, or save it as UTF-8 in an editor", encoding)}
}

// documentAt checks a document's encoding and size and reads its outline. Of a
// change event it is the document published, or the withdrawal it means.
func documentAt(name string, line int, raw []byte) document {
	d := document{File: name, Line: line}
	switch {
	case len(raw) > maxDocument+maxEnvelope:
		d.Problems = tooLarge(len(raw))
		return d
	case !utf8.Valid(raw):
		d.Problems = notUTF8("GBK")
		return d
	}
	if event, ok := changeOf(raw); ok {
		return event.document(d)
	}
	if len(raw) > maxDocument {
		d.Problems = tooLarge(len(raw))
		return d
	}
	if d.outline, d.Problems = outlineOf(raw); d.Problems == nil {
		d.Raw = bytes.Clone(raw)
	}
	return d
}

func unreadable(name string, line int, err error) document {
	why := err.Error()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		why = tr("文件不完整，在中间断了", "the file is cut off in the middle")
	}
	return document{File: name, Line: line, Problems: vocab.Problems{vocab.NewProblem("", "input.unreadable",
		"读取出错：%s；此处之后的内容没有读到", "cannot be read: %s; nothing after this place was read", why)}}
}

// countingReader counts what is read, for the progress bar.
type countingReader struct {
	r io.Reader
	n *atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
