package jsonld

// Source returns the document that was expanded, as it was decoded, context and
// proof included: members that expansion leaves out are still there. It must
// not be changed. It is nil for a Graph that Expand did not make.
func (g *Graph) Source() map[string]any { return g.whole }
