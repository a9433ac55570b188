package main

// commands is the grammar of the command line: one field a subcommand, each
// in the file of its name.
type commands struct {
	Demo     demoCmd     `cmd:"" help:"Run a ready catalogue with demonstration data. 带演示数据的目录，即开即看。"`
	Hub      hubCmd      `cmd:"" help:"Run a hub. 运行目录节点。"`
	Key      keyCmd      `cmd:"" help:"Make, import or show a key. 生成、导入或查看密钥。"`
	Sign     signCmd     `cmd:"" help:"Sign JSON documents from stdin to stdout. 签名。"`
	Verify   verifyCmd   `cmd:"" help:"Check signed documents. 验签。"`
	Token    tokenCmd    `cmd:"" help:"Make a short-lived token. 生成短时令牌。"`
	Publish  publishCmd  `cmd:"" help:"Publish descriptions to a hub. 发布目录。"`
	Withdraw withdrawCmd `cmd:"" help:"Withdraw offerings (or deregister them for ever). 下架或注销。"`
	Search   searchCmd   `cmd:"" help:"Search a hub. 检索。"`
	Log      logCmd      `cmd:"" help:"Look into or verify a hub's log. 查看或核验目录账本。"`
	Index    indexCmd    `cmd:"" help:"Look after a hub's search index. 维护检索索引。"`
	Load     loadCmd     `cmd:"" help:"Put synthetic load on a hub, to size a machine. 压力测试。"`
	Version  versionCmd  `cmd:"" help:"Print the version. 版本信息。"`
}
