package main

// verifyCmd checks the signatures of documents.
type verifyCmd struct {
	Files []string `arg:"" optional:"" help:"Files of JSON or JSON lines; none or - is standard input."`
	JSON  bool     `name:"json" help:"Print one JSON object a document."`
}

// Run verifies.
func (c *verifyCmd) Run(s *streams) error { panic("pending") }
