package main

import (
	"fmt"

	"lianmu/hub/peering"
	"lianmu/hub/view"
)

// sayLogState is the state of a log in the reader's language; hub/view and
// hub/peering call those that both know the same.
func sayLogState[S ~string](state S) string {
	switch string(state) {
	case view.Current:
		return tr("最新", "current")
	case view.Behind:
		return tr("索引中", "being indexed")
	case view.Ageing:
		return tr("较久无消息", "ageing")
	case view.Stale:
		return tr("失联", "stale")
	case view.Stopped:
		return tr("已停止", "stopped")
	case view.Paused:
		return tr("已暂停", "paused")
	case view.Ended:
		return tr("已接替", "ended")
	case view.ReadOnly:
		return tr("只读", "read-only")
	case string(peering.Offered):
		return tr("待确认", "offered")
	}
	return string(state)
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
