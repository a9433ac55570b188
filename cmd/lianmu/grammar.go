package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// newParser is the grammar of commands in the reader's language.
func newParser(options ...kong.Option) (*kong.Kong, error) {
	parser, err := kong.New(&commands{}, append([]kong.Option{
		kong.Name("lianmu"),
		kong.Description(tr("联目：可信数据空间的跨空间目录。", "lianmu 联目: a federated catalogue of trusted data spaces.")),
		kong.Help(printHelp),
	}, options...)...)
	if err != nil {
		return nil, err
	}
	err = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		switch n := node.(type) {
		case *kong.Node:
			n.Help = help(n.Help)
			for _, arg := range n.Positional {
				arg.Help = help(arg.Help)
			}
		case *kong.Flag:
			n.Help = help(n.Help)
		}
		return next(nil)
	})
	return parser, err
}

// help is a help text in the reader's language.
func help(english string) string {
	if zh := helpInChinese[english]; chinese && zh != "" {
		return zh
	}
	return english
}

// arrange lets the words of a search begin with "-", as the ones that must not
// occur do: it puts them behind the flags and a "--". A command line of another
// command, or of none, is left as it is; none at all asks for help.
func arrange(args []string) []string {
	if len(args) == 0 {
		return []string{"--help"}
	}
	if args[0] != "search" {
		return args
	}
	plain := append(switches("search"), "--help")
	flags, words := []string{"search"}, []string{}
	for i := 1; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			words = append(words, args[i+1:]...)
			i = len(args)
		case arg == "-h", slices.Contains(plain, arg), strings.HasPrefix(arg, "--") && strings.Contains(arg, "="):
			flags = append(flags, arg)
		case strings.HasPrefix(arg, "--") && i+1 < len(args):
			i++
			flags = append(flags, arg+"="+args[i]) // the value too may begin with "-"
		case strings.HasPrefix(arg, "--"):
			flags = append(flags, arg)
		default:
			words = append(words, arg)
		}
	}
	if len(words) == 0 {
		return flags
	}
	return append(append(flags, "--"), words...)
}

// switches are the flags of a command that take no value.
func switches(command string) (flags []string) {
	parser, err := newParser()
	if err != nil {
		return nil // run says so
	}
	for _, node := range parser.Model.Children {
		for _, flag := range node.Flags {
			if node.Name == command && flag.IsBool() {
				flags = append(flags, "--"+flag.Name)
			}
		}
	}
	return flags
}

// misused explains a command line that was not understood.
func misused(err error, args []string) error {
	text := strings.ToValidUTF8(err.Error(), "?")
	switch {
	case len(args) > 0 && args[0] == "deregister":
		text = tr("没有 deregister 命令；注销请用 lianmu withdraw --deregister", "there is no command deregister; use lianmu withdraw --deregister")
	case len(args) > 0 && args[0] == "verify" && strings.Contains(text, "--bundle"):
		text = tr("verify 核验单份文档的签名；离线包请用 lianmu log verify --bundle", "verify checks the signatures of documents; for a bundle it is lianmu log verify --bundle")
	case !strings.Contains(text, "--help"):
		text = fmt.Sprintf(tr("%s（用法见 %s --help）", "%s (usage: %s --help)"), translated(text), usageOf(err))
	}
	return errors.New(text)
}

// usageOf is the command that a person meant, as far as it was understood.
func usageOf(err error) string {
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil && parse.Context.Selected() != nil {
		return "lianmu " + parse.Context.Selected().FullPath()[len("lianmu "):]
	}
	return "lianmu"
}

// printHelp is kong's, with its headings in Chinese where that is wanted.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	var english bytes.Buffer
	out := ctx.Stdout
	ctx.Stdout = &english
	err := kong.DefaultHelpPrinter(options, ctx)
	ctx.Stdout = out
	if err != nil {
		return err
	}
	text := english.String()
	if chinese {
		text = strings.NewReplacer(
			"Usage: ", "用法：", "\nArguments:\n", "\n参数：\n", "\nFlags:\n", "\n选项：\n", "\nCommands:\n", "\n命令：\n",
			"<command>", "<命令>", "[flags]", "[选项]",
			`Run "lianmu <command> --help" for more information on a command.`, "某个命令的详细用法：lianmu <命令> --help",
		).Replace(text)
	}
	_, err = io.WriteString(out, text)
	return err
}
