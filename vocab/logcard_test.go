package vocab

import "testing"

func TestHubOf(t *testing.T) {
	const hub = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
	origin := LogOrigin(hub, 2)
	if origin != "lianmu/z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK/2" || HubOf(origin) != hub {
		t.Errorf("%s is of %s", origin, HubOf(origin))
	}
	for _, origin := range []string{"", "lianmu", "lianmu/z6MkA", "lianmu//2", "lianmu/z6MkA/", "lianmu/z6MkA/2/3", "other/z6MkA/2"} {
		if got := HubOf(origin); got != "" {
			t.Errorf("%q is of %s", origin, got)
		}
	}
}
