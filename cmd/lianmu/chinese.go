package main

import "regexp"

// translations put into Chinese what comes in English alone: from the parser
// of the command line, from the parts of a hub that write for its log, and
// from the verification of a log. What is not here stays English, which is
// better than nothing. $1 … are the groups of the pattern.
var translations = []struct {
	english *regexp.Regexp
	chinese string
}{
	// The command line.
	{regexp.MustCompile(`^missing flags: (\S+) or (\S+)$`), "缺少选项：请写 $1 或 $2"},
	{regexp.MustCompile(`^missing flags: (.*)$`), "缺少选项：$1"},
	{regexp.MustCompile(`^missing positional arguments (.*)$`), "缺少参数：$1"},
	{regexp.MustCompile(`^unknown flag (\S+), did you mean one of (.*)\?$`), "没有选项 $1，是想写 $2 之一吗？"},
	{regexp.MustCompile(`^unknown flag (\S+), did you mean (.*)\?$`), "没有选项 $1，是想写 $2 吗？"},
	{regexp.MustCompile(`^unknown flag (.*)$`), "没有选项 $1"},
	{regexp.MustCompile(`^unexpected argument (.*), did you mean one of (.*)\?$`), "不认识 $1，是想写 $2 之一吗？"},
	{regexp.MustCompile(`^unexpected argument (.*), did you mean (.*)\?$`), "不认识 $1，是想写 $2 吗？"},
	{regexp.MustCompile(`^unexpected argument (.*)$`), "不认识 $1"},
	{regexp.MustCompile(`^expected one of (.*)$`), "后面要写子命令，可以是 $1"},
	{regexp.MustCompile(`^expected (".*")$`), "后面要写 $1"},
	{regexp.MustCompile(`^(--\S+) and (--\S+) can't be used together$`), "$1 和 $2 不能一起用"},
	{regexp.MustCompile(`^(--\S+): missing value.*$`), "$1 缺少值"},
	{regexp.MustCompile(`^(--\S+): expected a valid \d+ bit u?int but got ("[^"]*").*$`), "$1 的值 $2 不对，应为整数"},
	{regexp.MustCompile(`^(--\S+): expected duration but got ("[^"]*").*$`), "$1 的值 $2 不是时长，应写成 30s、5m 或 8760h 这样"},
	{regexp.MustCompile(`^(--\S+): bool value must be .* but got ("[^"]*").*$`), "$1 后面不写值，不认识 $2"},
	{regexp.MustCompile(`^(--\S+): (.*)$`), "$1 的值不对：$2"},
	// Starting a hub.
	{regexp.MustCompile(`^(?:folder |文件夹 )?(.*?) is in use by another hub.*$`), "文件夹 $1 正被另一个节点使用；请先停下那个节点，或换一个 --dir"},
	{regexp.MustCompile(`^(?:.*: )?another process is using (.*?); stop that hub first$`), "文件夹 $1 正被另一个程序使用；请先停下那个节点"},
	{regexp.MustCompile(`^a hub needs a folder for its keys, log and index.*$`), "需要 --dir：存放密钥、账本和索引的文件夹"},
	{regexp.MustCompile(`^cannot connect to NATS: (.*); check that the server runs and that the URL names a user of account HUB$`), "连不上 NATS：$1；请确认服务器在运行，地址里的用户属于 HUB 账户"},
	{regexp.MustCompile(`^the NATS server is version (\S+); .*$`), "NATS 服务器是 $1 版；账本需要原子批量写入，请用 2.12 或更新的版本"},
	{regexp.MustCompile(`^(.*?) does not look like a hub's folder: .*$`), "$1 不像是节点的文件夹；请核对 --dir"},
	// Verifying a log.
	{regexp.MustCompile(`^entry (\d+): its document (\S+) is missing$`), "第 $1 条：文档 $2 丢失"},
	{regexp.MustCompile(`^entry (\d+): its document is not the one in its leaf record$`), "第 $1 条：文档与叶记录不符"},
	{regexp.MustCompile(`^entry (\d+): its redaction, entry (\d+), was not completed: .*$`), "第 $1 条：第 $2 条记录要删除它的正文，但正文还在；启动节点即会删除"},
	{regexp.MustCompile(`^entry (\d+): the leaf record in the redaction is not that of entry (\d+)$`), "第 $1 条：删除记录中的叶记录不是第 $2 条的"},
	{regexp.MustCompile(`^entry (\d+): only the hub (\S+) may write what is of kind (\S+); it is signed by (\S+)$`), "第 $1 条：$3 只能由节点 $2 写入，这一条却由 $4 签名"},
	{regexp.MustCompile(`^entry (\d+): it should not be in the log: the space (\S+) was not admitted$`), "第 $1 条：不应在账本中：空间 $2 未获准入"},
	{regexp.MustCompile(`^entry (\d+): it should not be in the log: (.*)$`), "第 $1 条：签名者当时无权写入，不应在账本中：$2"},
	{regexp.MustCompile(`^entry (\d+): it describes the space (\S+) and is signed for (\S+)$`), "第 $1 条：描述的是空间 $2，却代表 $3 签名"},
	{regexp.MustCompile(`^entry (\d+): received at (.*), before the entry ahead of it$`), "第 $1 条：收到时间 $2 早于前一条"},
	{regexp.MustCompile(`^entry (\d+): (.*)$`), "第 $1 条：$2"},
	{regexp.MustCompile(`^(tile/\S+) does not fit the leaf records$`), "分片 $1 与叶记录不符"},
	{regexp.MustCompile(`^the leaf records do not give the root that was signed over (\d+) entries$`), "由叶记录算出的根，与签封中 $1 条记录的根不符"},
	{regexp.MustCompile(`^the checkpoint is not valid under the log's key: (.*)$`), "账本签封用账本公钥验证不通过：$1"},
	{regexp.MustCompile(`^(\S+) stands at entry (\d+), the log has (\d+)$`), "视图 $1 停在第 $2 条，账本有 $3 条"},
	{regexp.MustCompile(`^(\S+) shows (\d+) offerings, the log gives (\d+), or other versions of them$`), "视图 $1 有 $2 项，由账本应有 $3 项，或其中有的版本不同"},
	{regexp.MustCompile(`^the log is read-only: (.*)$`), "账本只读：$1"},
}

// translated is an English text in the reader's language, as far as it is
// known; a text that is Chinese already stays.
func translated(text string) string {
	if !chinese {
		return text
	}
	for _, t := range translations {
		if t.english.MatchString(text) {
			return t.english.ReplaceAllString(text, t.chinese)
		}
	}
	return text
}
