package main

// commands is the grammar of the command line: one field a subcommand, each
// in the file of its name.
type commands struct {
	Demo     demoCmd     `cmd:"" help:"Run a ready catalogue with demonstration data."`
	Hub      hubCmd      `cmd:"" help:"Run a hub."`
	Key      keyCmd      `cmd:"" help:"Make, import or show a key."`
	Sign     signCmd     `cmd:"" help:"Sign JSON documents from stdin to stdout."`
	Verify   verifyCmd   `cmd:"" help:"Check signed documents."`
	Token    tokenCmd    `cmd:"" help:"Make a short-lived token."`
	Access   accessCmd   `cmd:"" help:"Look at roles and rights."`
	Join     joinCmd     `cmd:"" help:"Present a space to a hub: makes the key, signs its description and sends it."`
	Space    spaceCmd    `cmd:"" help:"Decide about spaces: invite, admit, suspend, keys."`
	Peer     peerCmd     `cmd:"" help:"Exchange logs with other hubs: invite, add, list, pause, remove."`
	Audit    auditCmd    `cmd:"" help:"Look into, export or check the audit trail."`
	Publish  publishCmd  `cmd:"" help:"Publish descriptions to a hub."`
	Withdraw withdrawCmd `cmd:"" help:"Withdraw offerings (or deregister them for ever)."`
	Search   searchCmd   `cmd:"" help:"Search a hub."`
	Log      logCmd      `cmd:"" help:"Look into or verify a hub's log."`
	Index    indexCmd    `cmd:"" help:"Look after a hub's search index."`
	Load     loadCmd     `cmd:"" help:"Put synthetic load on a hub, to size a machine."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}
