package vocab

import "time"

// Verb is what the hub did about a space; its values are the JSON-LD types of
// acts in our context.
type Verb string

// What a hub can do about a space.
const (
	Admission      Verb = "Admission"      // 准入
	Rejection      Verb = "Rejection"      // 不予准入
	Suspension     Verb = "Suspension"     // 暂停: nothing new is taken, offerings leave the search
	Resumption     Verb = "Resumption"     // 恢复
	KeyReplacement Verb = "KeyReplacement" // 更换密钥: on filed evidence, where all keys are lost
	KeyCompromise  Verb = "KeyCompromise"  // 密钥失窃: what Key signed from position From on is void
	Removal        Verb = "Removal"        // 强制注销 of single offerings
	// Release (解除禁用): under the name of an entry that was redacted something may
	// be published again.
	Release Verb = "Release"
	// Withholding (收回公开): what was public under a name is not any more. Who
	// may not see the newer version learns from it that the older is overtaken.
	Withholding Verb = "Withholding"
)

// Act is one decision of a hub about one space. It is signed with the hub's
// key and stands in the log.
type Act struct {
	ID         string   `json:"id"` // urn:uuid:…
	Verb       Verb     `json:"verb"`
	Space      string   `json:"space"`               // DID of the space it is about
	Reason     string   `json:"reason,omitempty"`    // for people; shown to everybody
	By         string   `json:"by"`                  // DID or pseudonym of who decided
	Second     string   `json:"second,omitempty"`    // of who agreed, where two are needed
	Descriptor Digest   `json:"descriptor,omitzero"` // Admission, Rejection: of the descriptor decided on
	Keys       []string `json:"keys,omitempty"`      // KeyReplacement: did:keys that may sign from here on
	Evidence   string   `json:"evidence,omitempty"`  // KeyReplacement: under what number it is filed
	Key        string   `json:"key,omitempty"`       // KeyCompromise: did:key; Withholding: of the key that signed the entry
	From       uint64   `json:"from,omitempty"`      // KeyCompromise: first position that is void; Withholding: of the entry that is not public; Release: of the one redacted
	Offerings  []string `json:"offerings,omitempty"` // Removal: @ids, at most MaxRemoved; Withholding: the one
	// Created is, for a Withholding, that of the entry that is not public: its
	// place among the versions.
	Created time.Time `json:"created,omitzero"`
}

// MaxRemoved is how many offerings one Removal may name.
const MaxRemoved = 1000

// GroundRetention is the ground of a redaction that has nothing against what was
// said: it was kept long enough. After any other the same content is published
// nowhere again.
const GroundRetention = "retention"

// Redaction says that the body of an entry was deleted. It holds what is left
// of the entry, so that the tree still checks and nothing older stands again.
type Redaction struct {
	ID     string `json:"id"`     // urn:uuid:…
	Index  uint64 `json:"index"`  // of the entry, in this log
	Leaf   []byte `json:"leaf"`   // its leaf record
	Ground string `json:"ground"` // authority, personal, classified or GroundRetention
	Reason string `json:"reason,omitempty"`
	By     string `json:"by"`
	Second string `json:"second,omitempty"`

	// What the fold needs of the entry: whose it was, which key signed it, the
	// key of its (space, @id), its place among the versions, of an offering or
	// participant what it said, so that nobody signs the same anew, and of a
	// space's descriptor the keys that could sign from it on.
	Space   string    `json:"space,omitempty"`
	Signer  string    `json:"signer,omitempty"` // DID, where that is not Space itself
	Key     Key       `json:"key,omitzero"`
	Created time.Time `json:"created,omitzero"`
	Content Digest    `json:"content,omitzero"` // Fact.Content
	// Barred: nothing is published under Key before a Release. It is said here, so
	// that whoever reads the log without other bodies comes to the same.
	Barred bool     `json:"barred,omitempty"`
	Keys   []string `json:"keys,omitempty"`
	// Audience is public for the first entry under its name that everybody could
	// see, and of a descriptor its default.
	Audience Audience `json:"audience,omitempty"`
	Hub      string   `json:"hub,omitempty"` // Space.Hub of a descriptor
}
