package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"
	"unicode"

	"lianmu/vocab"
)

// synthesis makes offerings that are like real ones in size and in what they
// fill: titles and descriptions in Chinese and English, words by Zipf's law,
// every facet, distributions, a policy. The same seed makes the same offerings.
type synthesis struct {
	run    string // part of every @id: two runs share none
	size   int    // bytes aimed at
	titles []string
	rnd    *rand.Rand
	zh, en []string // words by rank
	zipfZh *rand.Zipf
	zipfEn *rand.Zipf
	now    time.Time
}

const vocabulary = 20_000 // words a language

func newSynthesis(run string, seed uint64, size int, titles []string, now time.Time) *synthesis {
	g := &synthesis{run: run, size: size, titles: titles, rnd: rand.New(rand.NewPCG(seed, 0)), now: now}
	g.zh, g.en = strings.Fields(commonZh), strings.Fields(commonEn)
	// Real words come first, so they are the frequent ones; the long tail is
	// put together from characters and syllables.
	syllables := strings.Fields("ba ce di fo gu ha je ki lo mu na pe qui ro sa te vi wo xa zu")
	characters := []rune(strings.Join(g.zh, ""))
	for len(g.zh) < vocabulary {
		g.zh = append(g.zh, string([]rune{characters[g.rnd.IntN(len(characters))], characters[g.rnd.IntN(len(characters))]}))
	}
	for len(g.en) < vocabulary {
		word := ""
		for range 2 + g.rnd.IntN(3) {
			word += syllables[g.rnd.IntN(len(syllables))]
		}
		g.en = append(g.en, word)
	}
	g.zipfZh = rand.NewZipf(g.rnd, 1.1, 4, vocabulary-1)
	g.zipfEn = rand.NewZipf(g.rnd, 1.1, 4, vocabulary-1)
	return g
}

// mark is a word that the i-th offering alone has.
func (g *synthesis) mark(i int) string { return fmt.Sprintf("zz%s%06x", g.run, i) }

func (g *synthesis) wordsZh(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(g.zh[g.zipfZh.Uint64()])
		if i%9 == 8 {
			b.WriteString("，")
		}
	}
	return b.String()
}

func (g *synthesis) wordsEn(n int) string {
	words := make([]string, n)
	for i := range words {
		words[i] = g.en[g.zipfEn.Uint64()]
	}
	return strings.Join(words, " ")
}

// tagged is a JSON-LD language-tagged text.
type tagged struct {
	Value    string `json:"@value"`
	Language string `json:"@language"`
}

// loadContext is written into every document, prefixes style.
var loadContext = map[string]string{
	"dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/", "foaf": "http://xmlns.com/foaf/0.1/",
	"odrl": "http://www.w3.org/ns/odrl/2/", "xsd": "http://www.w3.org/2001/XMLSchema#", "lm": "https://w3id.org/lianmu/ns#",
}

// offering returns the i-th document, unsigned.
func (g *synthesis) offering(i int) ([]byte, error) {
	title := g.wordsZh(6)
	if len(g.titles) > 0 {
		title = g.titles[g.rnd.IntN(len(g.titles))]
	}
	publisher := g.zipf(400)
	modified := g.now.Add(-time.Duration(g.rnd.IntN(3*365*24)) * time.Hour).UTC()
	id := fmt.Sprintf("https://load.example/%s/%d", g.run, i)
	doc := map[string]any{
		"@context":        loadContext,
		"@id":             id,
		"@type":           pick(g, []string{"dcat:Dataset", "dcat:Dataset", "lm:DataProduct", "lm:DataResource", "dcat:DataService"}),
		"dct:title":       []tagged{{title, "zh"}, {g.wordsEn(6), "en"}},
		"dct:identifier":  g.mark(i),
		"dcat:keyword":    []tagged{{g.wordsZh(1), "zh"}, {g.wordsZh(1), "zh"}, {g.wordsEn(1), "en"}, {g.mark(i), "en"}},
		"dct:publisher":   map[string]any{"@type": "foaf:Organization", "foaf:name": []tagged{{fmt.Sprintf("压力测试机构%d", publisher), "zh"}, {fmt.Sprintf("Load Test Organisation %d", publisher), "en"}}},
		"dcat:theme":      g.code(vocab.Themes),
		"lm:scene":        g.code(vocab.Scenes),
		"lm:industry":     g.code(vocab.Industries),
		"lm:region":       g.code(vocab.Regions),
		"lm:deliveryForm": g.code(vocab.Forms), "dct:accrualPeriodicity": g.code(vocab.Frequencies),
		"lm:securityLevel": "001", "lm:quality": g.code(vocab.Qualities), "lm:source": g.code(vocab.Sources),
		"lm:registrationState": g.code(vocab.Registrations), "lm:personalData": g.rnd.IntN(10) == 0,
		"lm:charging": g.code(vocab.Charging), "lm:price": fmt.Sprint(g.rnd.IntN(5000)), "lm:priceCurrency": "CNY",
		"dct:issued":        dateTime(modified.AddDate(-1, 0, 0)),
		"dct:modified":      dateTime(modified),
		"dct:temporal":      map[string]any{"@type": "dct:PeriodOfTime", "dcat:startDate": dateTime(modified.AddDate(-2, 0, 0)), "dcat:endDate": dateTime(modified)},
		"dcat:landingPage":  map[string]string{"@id": id + "/page"},
		"dcat:distribution": g.distributions(id),
		"odrl:hasPolicy": map[string]any{"@type": "odrl:Offer", "odrl:permission": []any{map[string]any{
			"odrl:action": map[string]string{"@id": "odrl:use"},
			"odrl:constraint": map[string]any{"odrl:leftOperand": map[string]string{"@id": "odrl:purpose"},
				"odrl:operator": map[string]string{"@id": "odrl:eq"}, "odrl:rightOperand": pick(g, []string{"research", "credit", "planning", "insurance"})},
		}}},
	}
	bare, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	// The descriptions fill what is left to the size, half in each language
	// (a Chinese word takes about 6 bytes, an English one about 8).
	rest := max(200, g.size-len(bare)-550)
	doc["dct:description"] = []tagged{{g.wordsZh(rest / 2 / 6), "zh"}, {g.wordsEn(rest / 2 / 8), "en"}}
	return json.Marshal(doc)
}

func (g *synthesis) distributions(id string) []any {
	var out []any
	for i := range 1 + g.rnd.IntN(2) {
		format := pick(g, []string{"CSV", "JSON", "XLSX", "PARQUET", "GeoJSON", "API"})
		out = append(out, map[string]any{
			"@type": "dcat:Distribution", "dct:title": format + " " + g.wordsEn(2), "dct:format": format,
			"dcat:downloadURL": map[string]string{"@id": fmt.Sprintf("%s/%d.%s", id, i, strings.ToLower(format))},
			"dcat:byteSize":    g.rnd.IntN(1 << 30),
		})
	}
	return out
}

// code draws a value of a national code list, the first ones more often.
func (g *synthesis) code(list *vocab.CodeList) string {
	all := list.All()
	return all[g.zipf(len(all))].Code
}

// zipf draws from 0 to n−1, small ones more often.
func (g *synthesis) zipf(n int) int {
	return min(n-1, int(float64(n)*g.rnd.Float64()*g.rnd.Float64()))
}

func pick(g *synthesis, values []string) string { return values[g.rnd.IntN(len(values))] }

func dateTime(t time.Time) map[string]string {
	return map[string]string{"@type": "xsd:dateTime", "@value": t.Format(time.RFC3339)}
}

// wordChoice is how the words of a load's searches are chosen.
type wordChoice string

const (
	// titleWords: in Chinese two characters side by side in one of the titles,
	// so common ones come as often as they stand in titles; in English, or
	// without titles, one of the 2,000 commonest words of the texts, each as
	// likely.
	titleWords wordChoice = "title"
	// commonWords: words of the texts by rank, the commonest far more often; on
	// average they stand in 12 to 15% of the documents.
	commonWords wordChoice = "common"
)

const commonest = 2000

// query returns a word to search for. rnd belongs to the caller.
func (g *synthesis) query(rnd *rand.Rand, choice wordChoice) string {
	if choice == commonWords {
		rank := min(rnd.IntN(30)+int(rnd.ExpFloat64()*200), vocabulary-1)
		if rnd.IntN(2) == 0 {
			return g.zh[rank]
		}
		return g.en[rank]
	}
	if rnd.IntN(2) == 0 {
		return g.en[rnd.IntN(commonest)]
	}
	for range 100 {
		if len(g.titles) == 0 {
			break
		}
		title := []rune(g.titles[rnd.IntN(len(g.titles))])
		if len(title) < 2 {
			continue
		}
		i := rnd.IntN(len(title) - 1)
		if unicode.Is(unicode.Han, title[i]) && unicode.Is(unicode.Han, title[i+1]) {
			return string(title[i : i+2])
		}
	}
	return g.zh[rnd.IntN(commonest)]
}

// maxTitles bounds the memory that a file of titles takes.
const maxTitles = 1 << 20

// readTitles reads one title a line, from a file that may be gzipped.
func readTitles(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	var titles []string
	lines := bufio.NewScanner(r)
	for lines.Scan() && len(titles) < maxTitles {
		if t := strings.TrimSpace(lines.Text()); t != "" && len(t) <= 600 {
			titles = append(titles, t)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(titles) == 0 {
		return nil, fmt.Errorf(tr("%s 里没有标题", "%s holds no titles"), path)
	}
	return titles, nil
}

// The frequent words of catalogue texts.
const (
	commonZh = `数据 统计 信息 交通 城市 公共 服务 管理 企业 产业 经济 社会 医疗 教育 环境 气象 空气 水质 港口 航运 物流 供应链
		汽车 制造 能源 电力 天然气 金融 信用 保险 贸易 海关 农业 粮食 土地 规划 住房 建设 人口 就业 社保 养老 旅游 文化 体育 科技
		创新 专利 标准 质量 安全 应急 消防 公安 司法 政务 审批 监管 执法 财政 税收 预算 审计 投资 项目 上海 江苏 浙江 安徽 长三角
		地铁 公交 停车 道路 桥梁 航班 铁路 货运 客流 车辆 轨迹 地图 遥感 影像 地理 空间 河流 湖泊 海洋 森林 土壤 排放 碳 监测 预警
		指数 价格 指标 年度 月度 季度 实时 历史 接口 样本 模型 训练 语料 标注 药品 医院 疾病 疫苗 学校 学生 图书 档案 商品 零售 餐饮
		消费 电商 园区 芯片 软件 网络 通信 基站 物联网 传感器 机器人 设备 维修 质检 溯源 仓储 集装箱 船舶 泊位 报关 跨境 结算 支付 融资`
	commonEn = `data the of and for in statistics information traffic city public service management enterprise industry economy health
		education environment weather air quality water port shipping logistics supply chain vehicle manufacturing energy power gas finance
		credit insurance trade customs agriculture grain land planning housing construction population employment social security elderly
		tourism culture sports technology innovation patent standard safety emergency fire justice government approval supervision budget tax
		audit investment project metro bus parking road bridge flight railway freight passenger flow trajectory map remote sensing image
		geography river lake ocean forest soil emission carbon monitoring warning index price indicator annual monthly quarterly realtime
		history interface sample model training corpus medicine hospital disease vaccine school student library archive retail consumption
		park chip software network sensor robot equipment maintenance inspection warehouse container vessel berth payment`
)
