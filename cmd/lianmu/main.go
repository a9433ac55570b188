// Command lianmu is the hub and its tools: one binary, a subcommand a file.
//
// It holds no rules of the catalogue: it reads flags and files, calls the
// packages, and shows what they answer, results on stdout and all else on
// stderr.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], &streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Now: time.Now})
	stop()
	os.Exit(code)
}

// run is the whole program: it parses args, runs the command they name and
// returns the exit code: 0 done; 1 something was refused or found at fault;
// 2 a wrong command line or anything else that kept it from doing its work.
func run(ctx context.Context, args []string, s *streams) (code int) {
	out, notes := &plain{w: s.Out}, &plain{w: s.Err}
	defer func() { _ = errors.Join(out.Flush(), notes.Flush()) }()
	s = &streams{In: s.In, Out: out, Err: notes, Now: s.Now}
	// kong ends the program after --help; here that is a panic caught below,
	// so that run stays callable from tests.
	type exited int
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(exited)
			if !ok {
				panic(r)
			}
			code = int(e)
		}
	}()
	parser, err := newParser(
		kong.Writers(s.Out, s.Err),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
	)
	if err != nil {
		fmt.Fprintln(s.Err, err)
		return 2
	}
	command, err := parser.Parse(arrange(args))
	if err != nil {
		return status(misused(err, args), s)
	}
	return status(alone(command.Run()), s)
}

// alone takes an error out of the join that kong makes of one.
func alone(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok && len(joined.Unwrap()) == 1 {
		return joined.Unwrap()[0]
	}
	return err
}

// status shows err, if it has not been shown, and tells its exit code.
func status(err error, s *streams) int {
	var exit exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	}
	fmt.Fprintf(s.Err, "lianmu: %s\n", describe(err))
	return 2
}
