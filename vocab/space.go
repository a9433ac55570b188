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
	Contact     string `json:"contact,omitempty"`
}
