package main

import (
	"os"
	"strings"

	"lianmu/vocab"
)

// chinese is what the environment says once, at the start: LC_ALL before
// LC_MESSAGES before LANG, as in POSIX.
var chinese = speaksChinese(os.Getenv)

func speaksChinese(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			return strings.HasPrefix(strings.ToLower(v), "zh")
		}
	}
	return false
}

// tr chooses the language of a message for people on this terminal.
func tr(zh, en string) string {
	if chinese {
		return zh
	}
	return en
}

// say chooses the same language from a text that has both.
func say(t vocab.Text) string {
	if chinese {
		return t.In("zh")
	}
	return t.In("en")
}
