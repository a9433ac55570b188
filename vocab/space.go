package vocab

// Space is a trusted data space as its own signed descriptor tells it. Its
// name is the DID it was admitted under.
type Space struct {
	DID         string `json:"did"`
	Name        Text   `json:"name"`
	Type        Term   `json:"type,omitzero"` // 企业 行业 城市 个人 跨境
	Description Text   `json:"description,omitempty"`
	Operator    Agent  `json:"operator,omitzero"`
	Region      Term   `json:"region,omitzero"`
	Industry    Term   `json:"industry,omitzero"`
	Homepage    string `json:"homepage,omitempty"`
	Contact     string `json:"contact,omitempty"` // a desk, never a person

	Roles     []Term     `json:"roles,omitempty"` // 提供方 使用方 运营方 服务方 监管方 建设方
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	// Keys are the did:keys that may sign for the space from this descriptor on;
	// one that an earlier descriptor listed and this one does not is retired.
	// Empty: only the key that signed this descriptor.
	Keys     []string `json:"keys,omitempty"`
	Audience Audience `json:"audience,omitempty"` // of offerings that say neither audience nor level
	Schemes  []string `json:"schemes,omitempty"`  // IRIs of the rule schemes that the space follows
	// Hub is the DID of the space's home hub, in whose log its word counts; ""
	// where it does not say.
	Hub string `json:"hub,omitempty"`
}

// Endpoint is where a space can be reached by programs.
type Endpoint struct {
	Type string `json:"type,omitempty"` // what speaks there, such as "dsp" or "ndi"
	URL  string `json:"url"`
}
