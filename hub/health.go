package hub

import (
	"errors"
	"syscall"

	"lianmu/vocab"
)

// Healthy returns nil, or as vocab.Problems everything that is wrong, and what to
// do about it.
func (h *Hub) Healthy() error {
	ps := h.faults()
	if n, first := h.base.damage.count(); n > 0 {
		ps = append(ps, vocab.NewProblem("", "hub.log_damaged",
			"账本中有 %[1]d 条记录的正文丢失或被改动（最早是第 %[2]d 条），其余照常服务。请停下节点，用备份恢复 jetstream 文件夹，再用 lianmu log verify 核验。",
			"%[1]d entries of the log have lost their documents or hold others (the first is entry %[2]d); the rest works. Stop the hub, restore the folder jetstream from a backup, and check it with lianmu log verify.", n, first))
	}
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// faults is everything that keeps submissions or search from working.
func (h *Hub) faults() (ps vocab.Problems) {
	if err := h.base.log.ReadOnly(); err != nil {
		ps = append(ps, vocab.NewProblem("", "hub.read_only",
			"目录账本只读：账本内容与已经签封的不一致，多半是恢复了较旧的备份。不受理提交，也不再签封；检索照常。请停下节点，恢复最新的备份；恢复不了时用 lianmu log epoch 另立新账本。详情：%v。",
			"The log is read-only: it is not what was signed, most likely because an older copy was restored. Nothing is taken or signed; search works. Stop the hub and restore the newest copy, or, where there is none, start a new epoch with lianmu log epoch. Details: %v.", err))
	}
	switch err := h.base.bus.Healthy(); {
	case err == nil:
	case errors.Is(err, syscall.ENOSPC):
		ps = append(ps, vocab.NewProblem("", "hub.disk_full",
			"磁盘已满，暂不受理提交；检索照常，已受理的都在。腾出空间后节点会自行恢复，不必重启。详情：%v。",
			"The disk is full: nothing is taken until there is room; search works, and what was acknowledged is safe. Make room, and the hub goes on by itself. Details: %v.", err))
	default:
		ps = append(ps, vocab.NewProblem("", "hub.bus",
			"NATS 暂时不可用，不受理提交；检索照常。节点会自行重连。详情：%v。",
			"NATS does not work just now: nothing is taken; search works. The hub keeps trying. Details: %v.", err))
	}
	if err := h.base.catalog.Fault(); err != nil {
		ps = append(ps, vocab.NewProblem("", "hub.index",
			"检索索引没有跟上账本，结果可能不全；索引可由账本重建，数据不会丢失。节点会自行重试。详情：%v。",
			"The search index does not follow the log, so results may be incomplete; it can be rebuilt from the log, nothing is lost. The hub keeps trying. Details: %v.", err))
	}
	return ps
}
