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
	Problems vocab.Problems
}

// input reads documents from files, folders and standard input in constant
// memory, whatever their size.
type input struct {
	stdin io.Reader
	paths []string
	total int64        // bytes of all files as they lie on disk; 0: unknown
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
		in.total = 0
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
			if !in.file(path, yield) {
				return
			}
		}
	}
}

// file yields the documents of one file; it returns false where the reader
// has had enough.
func (in *input) file(path string, yield func(document) bool) bool {
	name, r := path, in.stdin
	if path == "-" {
		name = "stdin"
	} else {
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
	switch filepath.Ext(strings.TrimSuffix(strings.ToLower(path), ".gz")) {
	case ".jsonl", ".ndjson":
		return readLines(name, br, yield)
	}
	return readAny(name, br, yield)
}

// documentAt checks a document's size and reads its outline.
func documentAt(name string, line int, raw []byte) document {
	d := document{File: name, Line: line}
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
