package main

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"lianmu/hub/view"
	"lianmu/vocab"
)

type searchCmd struct {
	Hub    string   `required:"" placeholder:"URL" env:"LIANMU_HTTP_HUB" help:"http://HOST:PORT."`
	Key    string   `placeholder:"FILE" help:"Key of a space or participant, to see what is for them too."`
	Filter []string `sep:"none" placeholder:"FIELD=VALUE" help:"Only where a field has this value; same field: any of, different fields: all of."`
	Sort   string   `placeholder:"ORDER" help:"relevance, modified, --sort=-modified, title or completeness."`
	Limit  int      `default:"20" help:"Hits a page, at most 100."`
	Cursor string   `help:"Go on where the page before ended."`
	Stale  bool     `help:"Also what is in logs that have been silent for so long that they are left out."`
	Facets bool     `help:"Count the values of every facet."`
	JSON   bool     `name:"json" help:"Print the hub's answer as it is."`
	Words  []string `arg:"" optional:"" help:"Words (all must match), \"phrases\", -not, field:value, OR. None is everything."`
}

// Run searches and prints a table.
func (c *searchCmd) Run(ctx context.Context, s *streams) error {
	hub, err := enterHub(c.Hub, c.Key, s.Now)
	if err != nil {
		return err
	}
	if c.JSON {
		var raw []byte
		if err := hub.asMe(ctx, c.path(), &raw); err != nil {
			return err
		}
		_, err := fmt.Fprintf(s.Out, "%s\n", strings.TrimSpace(string(raw)))
		return err
	}
	var a view.Answer
	if err := hub.asMe(ctx, c.path(), &a); err != nil {
		return err
	}
	return c.show(s, &a)
}

// path is the question as the API takes it.
func (c *searchCmd) path() string {
	q := url.Values{"limit": {strconv.Itoa(c.Limit)}}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set("q", strings.Join(c.Words, " "))
	set("sort", c.Sort)
	set("cursor", c.Cursor)
	if c.Facets {
		q.Set("facets", "all")
	}
	if c.Stale {
		q.Set("stale", "true")
	}
	for _, f := range c.Filter {
		// field=value is easier on a command line; the API takes field:value.
		q.Add("filter", strings.Replace(f, "=", ":", 1))
	}
	return "/api/v1/search?" + q.Encode()
}

func (c *searchCmd) show(s *streams, a *view.Answer) error {
	if len(a.Hits) > 0 {
		if err := showHits(s, a); err != nil {
			return err
		}
		fmt.Fprintln(s.Out)
	}
	fmt.Fprintf(s.Out, tr("共 %s 条，%.1f 毫秒\n", "%s found in %.1f ms\n"), number(a.Total), a.TookMS)
	for _, field := range facetOrder(a.Facets) {
		if len(a.Facets[field]) == 0 {
			continue
		}
		fmt.Fprintf(s.Out, "\n%s\n", cut(field, 48))
		counts := table{Right: map[int]bool{1: true}}
		for _, v := range a.Facets[field] {
			// The label is for reading, the value for --filter.
			if text := say(v.Label); text != "" && text != v.Value {
				counts.add("  "+cut(text, 48), number(v.Count), cut(v.Value, 120))
			} else {
				counts.add("  "+cut(v.Value, 120), number(v.Count))
			}
		}
		if err := counts.write(s.Out); err != nil {
			return err
		}
	}
	for _, cov := range a.Coverage {
		if text := c.caveat(cov); text != "" {
			fmt.Fprintf(s.Err, tr("注意：%s\n", "note: %s\n"), text)
		}
	}
	if a.Awaited > 0 {
		fmt.Fprintf(s.Err, tr("注意：另有 %d 个要镜像的账本还没有取得任何记录\n", "note: of %d more logs that are mirrored nothing is here yet\n"), a.Awaited)
	}
	if a.Next != "" {
		fmt.Fprintf(s.Out, tr("下一页：加上 --cursor %s\n", "next page: add --cursor %s\n"), shellWord(a.Next))
	}
	return nil
}

// showHits prints the hits as a table, each with the other listings of its product
// below it. Where there is one log, nothing is said of hubs.
func showHits(s *streams, a *view.Answer) error {
	t := table{Head: []string{tr("名称", "title"), tr("类型", "kind"), tr("空间", "space"), tr("节点", "hub"), tr("地区", "region"), tr("更新（UTC）", "updated (UTC)"), tr("标记", "marks"), "@id"}, Spare: map[int]bool{3: true, 4: true, 6: true}}
	hubs := map[string]string{}
	for _, cov := range a.Coverage {
		hubs[cov.Hub] = cut(logName(cov), 28)
	}
	if len(hubs) < 2 {
		clear(hubs)
	}
	space := func(name vocab.Text, did string) string { return cut(orElse(say(name), did), 28) }
	mark := func(state string, conflict bool) string {
		var marks []string
		if state != "" {
			marks = append(marks, sayLogState(state))
		}
		if conflict {
			marks = append(marks, tr("标识冲突", "code in dispute"))
		}
		return strings.Join(marks, tr("、", ", "))
	}
	for _, h := range a.Hits {
		var regions []string
		for _, r := range h.Terms["region"] {
			regions = append(regions, orCode(r))
		}
		updated := ""
		if !h.Modified.IsZero() {
			updated = h.Modified.UTC().Format("2006-01-02")
		}
		t.add(cut(say(h.Title), 48), say(vocab.KindLabel(h.Kind)), space(h.SpaceName, h.Space), hubs[h.Hub], cut(strings.Join(regions, " "), 16), updated, mark(h.State, h.Conflict), h.ID)
		for _, l := range h.Listings {
			t.add(tr("  同一产品", "  same product"), "", space(l.SpaceName, l.Space), hubs[l.Hub], "", "", mark(l.State, false), l.ID)
		}
		if more := h.Others - len(h.Listings); more > 0 {
			t.add(fmt.Sprintf(tr("  另有 %s 处", "  %s more"), number(more)))
		}
	}
	return t.write(s.Out)
}

// logName is what a log is called: as its hub calls itself, or by its origin.
func logName(c view.Coverage) string { return orElse(say(c.Name), c.Hub) }

// caveat says what of a log an answer does not rest on; "" if nothing is to be said.
// A log that ended is none: its hub goes on in another.
func (c *searchCmd) caveat(cov view.Coverage) string {
	name, state := cut(logName(cov), 48), sayLogState(cov.State)
	switch {
	case cov.State == view.Current || cov.State == view.Ended:
		return ""
	case cov.State == view.ReadOnly:
		return fmt.Sprintf(tr("%s的账本只读，不再收新的条目", "the log of %s is read-only: it takes nothing new"), name)
	case cov.LeftOut && !c.Stale:
		return fmt.Sprintf(tr("%[1]s的 %[2]s 条记录没有列入（已 %[4]s没有消息）；加上 --stale 即列入", "the %[2]s entries of %[1]s are left out (%[3]s, silent for %[4]s); --stale takes them in"),
			name, number(cov.LogSize), state, howLong(cov.AgeS))
	case cov.Indexed < cov.LogSize:
		return fmt.Sprintf(tr("%s的 %s 条记录，已可检索 %s 条（%s）", "of %[2]s entries of %[1]s, %[3]s can be searched (%[4]s)"), name, number(cov.LogSize), number(cov.Indexed), state)
	}
	if chinese && (cov.State == view.Ageing || cov.State == view.Stale) { // whose names say the same
		return fmt.Sprintf("%s：已 %s没有消息，内容可能不是最新的", name, howLong(cov.AgeS))
	}
	return fmt.Sprintf(tr("%s：%s，%s没有消息，内容可能不是最新的", "%s: %s, silent for %s: what it says may be out of date"), name, state, howLong(cov.AgeS))
}

func orCode(t vocab.Term) string {
	if label := say(t.Label); label != "" {
		return label
	}
	return t.Code
}

// facetOrder lists the facets by name, so that two runs print the same.
func facetOrder[V any](facets map[string]V) []string {
	return slices.Sorted(maps.Keys(facets))
}
