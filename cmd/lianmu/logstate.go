package main

import (
	"cmp"
	"fmt"

	"lianmu/hub/peering"
	"lianmu/hub/view"
)

// sayLogState is the state of a log in the reader's language. hub/view knows two
// states more than hub/peering, and calls the others the same.
func sayLogState[S ~string](state S) string {
	switch string(state) {
	case view.Behind:
		return tr("索引落后", "index behind")
	case view.ReadOnly:
		return tr("只读", "read-only")
	}
	return cmp.Or(say(peering.LogState(state).Label()), string(state))
}

func sayPeerState(state peering.State) string {
	return cmp.Or(say(state.Label()), string(state))
}

// howLong writes a duration in seconds in its largest whole unit.
func howLong(seconds int64) string {
	for _, u := range []struct {
		size   int64
		zh, en string
	}{{24 * 3600, "%s 天", "%s d"}, {3600, "%s 小时", "%s h"}, {60, "%s 分钟", "%s min"}} {
		if seconds >= u.size {
			return fmt.Sprintf(tr(u.zh, u.en), number(seconds/u.size))
		}
	}
	return fmt.Sprintf(tr("%s 秒", "%s s"), number(max(seconds, 0)))
}
