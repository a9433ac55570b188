package vocab_test

import (
	"testing"

	"pgregory.net/rapid"

	"lianmu/vocab"
)

func TestAudienceOf(t *testing.T) {
	const public, recognised, space = vocab.AudiencePublic, vocab.AudienceRecognised, vocab.AudienceSpace
	for _, tc := range []struct {
		name              string
		said              vocab.Audience
		level, importance string
		fallback, want    vocab.Audience
	}{
		{"nothing said", "", "", "", public, public},
		{"nothing said, narrow default", "", "", "", space, space},
		{"nothing said, no default", "", "", "", "", space},
		{"nothing said, odd default", "", "", "", "everyone", space},
		{"public", "", "001", "", space, public},
		{"internal", "", "002", "", public, space},
		{"sensitive", "", "003", "", public, recognised},
		{"confidential slipped through", "", "004", "", public, space},
		{"top secret slipped through", public, "005", "", public, space},
		{"unknown level", "", "009", "", public, space},
		{"explicit alone", recognised, "", "", public, recognised},
		{"explicit wider than level", public, "003", "", public, recognised},
		{"explicit narrower than level", space, "001", "", public, space},
		{"unknown audience", "friends", "001", "", public, space},
		{"important", "", "", "important", public, space},
		{"important though public", public, "001", "important", public, space},
		{"core slipped through", public, "001", "core", public, space},
		{"general opens nothing", "", "", "general", recognised, recognised},
		{"general closes nothing", "", "001", "general", space, public},
		{"unknown importance", public, "001", "other", public, space},
	} {
		o := &vocab.Offering{Audience: tc.said, Level: vocab.Term{Code: tc.level}, Importance: vocab.Term{Code: tc.importance}}
		if got := vocab.AudienceOf(o, tc.fallback); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	o := &vocab.Offering{Level: vocab.Term{Label: vocab.Text{"zh": "自定"}}}
	if got := vocab.AudienceOf(o, public); got != space {
		t.Errorf("a level in free text: %q", got)
	}
}

// The codes that the rule is written for are those of the lists.
func TestAudienceCodesExist(t *testing.T) {
	for label, code := range map[string]string{"公开": "001", "内部": "002", "敏感": "003", "机密": "004", "绝密": "005"} {
		if term, ok := vocab.Levels.Find(label); !ok || term.Code != code {
			t.Errorf("%s: %+v", label, term)
		}
	}
	for label, code := range map[string]string{"核心数据": "core", "重要数据": "important", "一般数据": "general"} {
		if term, ok := vocab.Importances.Find(label); !ok || term.Code != code {
			t.Errorf("%s: %+v", label, term)
		}
	}
}

// Narrowing is commutative, associative and never widens.
func TestNarrowerAudience(t *testing.T) {
	rank := map[vocab.Audience]int{"": 0, vocab.AudiencePublic: 1, vocab.AudienceRecognised: 2, vocab.AudienceSpace: 3, "odd": 3}
	any := rapid.SampledFrom([]vocab.Audience{"", vocab.AudiencePublic, vocab.AudienceRecognised, vocab.AudienceSpace, "odd"})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := any.Draw(t, "a"), any.Draw(t, "b"), any.Draw(t, "c")
		n := vocab.NarrowerAudience(a, b)
		if n != vocab.NarrowerAudience(b, a) || rank[n] != max(rank[a], rank[b]) || n == "odd" {
			t.Errorf("%q, %q: %q", a, b, n)
		}
		if vocab.NarrowerAudience(n, c) != vocab.NarrowerAudience(a, vocab.NarrowerAudience(b, c)) {
			t.Errorf("%q, %q, %q", a, b, c)
		}
	})
}
