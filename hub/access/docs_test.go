package access

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The documents show the table that the program goes by.
func TestDocumentsShowTheTable(t *testing.T) {
	for _, doc := range []struct{ name, lang, comma string }{{"access.md", "en", ", "}, {"access.zh-CN.md", "zh", "、"}} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", doc.name))
		if err != nil {
			t.Fatal(err)
		}
		var want strings.Builder
		for _, row := range Table() {
			rights := make([]string, len(row.Rights))
			for i, right := range row.Rights {
				rights[i] = right.Name()[doc.lang]
			}
			fmt.Fprintf(&want, "| `%s` | %s | %s |\n", row.Role, row.Name[doc.lang], strings.Join(rights, doc.comma))
		}
		if !strings.Contains(string(text), want.String()) {
			t.Errorf("docs/%s does not show this table:\n%s", doc.name, want.String())
		}
	}
}
