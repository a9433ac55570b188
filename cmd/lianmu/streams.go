package main

import (
	"fmt"
	"io"
	"time"
)

// streams is what a command reads and writes, so that tests can give their
// own. Results go to Out; what is only for the person watching goes to Err.
type streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	Now func() time.Time
}

// beneath is what Err writes to in the end: a progress bar steers the terminal, and
// whatever it shows of others must be clean.
func (s *streams) beneath() io.Writer {
	if p, ok := s.Err.(*plain); ok {
		return p.w
	}
	return s.Err
}

// exitCode ends the program with that status and no further message: the
// command has already said what there was to say.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }
