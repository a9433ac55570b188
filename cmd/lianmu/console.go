package main

import (
	"fmt"
	"io"
)

// console is where a command reads and writes: results on Out, everything
// else (progress, hints, logs) on Err, so that results can be piped. Commands
// get it as the argument of Run; nothing else touches os.Stdin and the like.
type console struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// exitError ends the program with a code without another message: the command
// has already said what there was to say.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }
