package vocab

import "time"

// OfferingKind tells what is offered.
type OfferingKind string

// The kinds of offering; Label gives their names in both languages.
const (
	Dataset  OfferingKind = "dataset"  // 数据集, dcat:Dataset
	Resource OfferingKind = "resource" // 数据资源
	Product  OfferingKind = "product"  // 数据产品
	Service  OfferingKind = "service"  // 数据服务, dcat:DataService
)

// Term is a coded value. Where the source gave a national code or one of its
// labels, Code is the code and Label its names from the code list. Where it
// gave free text or the IRI of some other vocabulary, Code is empty or the
// IRI, and Label is what the source said.
type Term struct {
	Code  string `json:"code,omitempty"`
	Label Text   `json:"label,omitempty"`
}

// Agent is an organisation: who publishes, or whom to ask.
type Agent struct {
	ID   string `json:"id,omitempty"` // IRI or DID
	Name Text   `json:"name,omitempty"`
	Code string `json:"code,omitempty"` // 统一社会信用代码 or 主体标识码
}

// Distribution is one way to get the data (dcat:Distribution).
type Distribution struct {
	ID          string `json:"id,omitempty"`
	Title       Text   `json:"title,omitempty"`
	Format      string `json:"format,omitempty"` // short name, upper case where known: CSV, JSON, GTFS
	MediaType   string `json:"mediaType,omitempty"`
	AccessURL   string `json:"accessUrl,omitempty"`
	DownloadURL string `json:"downloadUrl,omitempty"`
	License     string `json:"license,omitempty"`
	Bytes       int64  `json:"bytes,omitempty"`
}

// ServiceEndpoint is a service through which the data is had (dcat:DataService
// under dcat:accessService, or the offering's own endpoint).
type ServiceEndpoint struct {
	ID          string `json:"id,omitempty"`
	Title       Text   `json:"title,omitempty"`
	EndpointURL string `json:"endpointUrl,omitempty"`
	ConformsTo  string `json:"conformsTo,omitempty"`
}

// Policy is what is read out of an offering's ODRL policies for search: that
// there is one, the actions it permits or forbids, and the purposes named in
// its constraints. It is never an evaluation.
type Policy struct {
	Present    bool     `json:"present"`
	Actions    []string `json:"actions,omitempty"`    // permitted, local names ("use", "read")
	Prohibited []string `json:"prohibited,omitempty"` // forbidden actions
	Purposes   []string `json:"purposes,omitempty"`
}

// Charge is what it costs.
type Charge struct {
	Model    Term   `json:"model"`              // 按周期, 按次数, 按流量, 一事一议, 免费
	Price    string `json:"price,omitempty"`    // decimal as written
	Currency string `json:"currency,omitempty"` // ISO 4217
	Unit     string `json:"unit,omitempty"`     // 元/月, 元/次 …
}

// Box is a spatial extent in degrees, WGS 84.
type Box struct {
	West, South, East, North float64
}

// Period is a temporal extent; a zero end is open.
type Period struct {
	Start time.Time `json:"start,omitzero"`
	End   time.Time `json:"end,omitzero"`
}

// Offering is the typed reading of one description, whatever JSON-LD style it
// was written in. Only ID, Kind and Title are always present.
type Offering struct {
	ID          string       `json:"id"` // absolute IRI, the document's own
	Kind        OfferingKind `json:"kind"`
	Title       Text         `json:"title"`
	Description Text         `json:"description,omitempty"`
	Keywords    Texts        `json:"keywords,omitempty"`
	Identifiers []string     `json:"identifiers,omitempty"` // dct:identifier, 数据产品标识码 …

	Publisher Agent  `json:"publisher,omitzero"`
	Contact   string `json:"contact,omitempty"` // a desk, never a person

	Themes     []Term `json:"themes,omitempty"`    // 资源主题
	Scenes     []Term `json:"scenes,omitempty"`    // 应用场景
	Industry   []Term `json:"industry,omitempty"`  // GB/T 4754
	Region     []Term `json:"region,omitempty"`    // GB/T 2260, or place names
	Form       Term   `json:"form,omitzero"`       // 产品交付形式
	Frequency  Term   `json:"frequency,omitzero"`  // 更新频率
	Level      Term   `json:"level,omitzero"`      // 安全级别
	Quality    Term   `json:"quality,omitzero"`    // 质量等级
	Importance Term   `json:"importance,omitzero"` // 核心/重要/一般, GB/T 43697
	Source     Term   `json:"source,omitzero"`     // 数据来源

	PersonalData *bool  `json:"personalData,omitempty"` // nil: not said
	Charge       Charge `json:"charge,omitzero"`
	License      string `json:"license,omitempty"`

	Registration     Term     `json:"registration,omitzero"` // 登记状态
	RegistrationCode string   `json:"registrationCode,omitempty"`
	Audience         Audience `json:"audience,omitempty"` // as the document says; empty: not said

	Distributions []Distribution    `json:"distributions,omitempty"`
	Services      []ServiceEndpoint `json:"services,omitempty"`
	Policy        Policy            `json:"policy,omitzero"`
	LandingPage   string            `json:"landingPage,omitempty"`

	Issued   time.Time `json:"issued,omitzero"`
	Modified time.Time `json:"modified,omitzero"`
	Spatial  *Box      `json:"spatial,omitempty"`
	Temporal *Period   `json:"temporal,omitempty"`

	// Completeness is 0 to 100: how much of what a searcher asks for is there.
	Completeness int `json:"completeness"`
}

// Audience tells who may see an offering.
type Audience string

// Audiences, widest first.
const (
	AudiencePublic     Audience = "public"
	AudienceRecognised Audience = "recognised"
	AudienceSpace      Audience = "space"
)
