package vocab

import "strings"

// simplified are traditional characters and their simplified forms, in pairs:
// those that are common in the names of organisations, places, trades and
// spaces, and in words of secrecy. It is no converter: what is not here stays.
const simplified = "" +
	"數数據据資资訊讯網网絡络雲云臺台檯台颱台灣湾區区際际國国華华東东廣广門门陽阳陰阴蘇苏滬沪魯鲁粵粤瓊琼貴贵寧宁遼辽龍龙濱滨瀋沈長长慶庆漢汉鄭郑濟济廈厦蘭兰銀银烏乌齊齐齋斋縣县鄉乡鎮镇島岛嶼屿灘滩溝沟澤泽" +
	"嶺岭崗岗峽峡壩坝機机絕绝絶绝祕秘級级護护衛卫證证認认識识權权責责監监檢检驗验測测評评審审計计標标準准間间場场務务業业產产農农漁渔鹽盐礦矿鋼钢鐵铁鋁铝銅铜電电氣气熱热爐炉車车輛辆艦舰飛飞運运輸输轉转軌轨" +
	"橋桥樑梁樓楼築筑醫医療疗藥药學学課课師师書书館馆圖图畫画視视聽听傳传報报紙纸財财稅税貿贸貨货幣币錢钱帳账賬账險险債债貸贷購购買买賣卖銷销費费價价額额動动勞劳員员會会議议協协團团體体組组織织總总處处廳厅" +
	"辦办關关聯联連连單单個个們们實实術术創创發发現现開开閉闭啟启設设備备構构製制應应優优質质種种類类經经營营環环綠绿態态災灾難难變变遷迁異异號号碼码線线無无儲储軟软統统係系繫系腦脑雙双鏈链塊块專专屬属層层" +
	"廠厂倉仓庫库棧栈順顺豐丰遞递郵邮紅红藍蓝黃黄對对從从眾众為为與与於于後后來来時时歲岁舊旧萬万億亿兩两這这麼么還还進进過过達达遠远邊边適适選选遊游願愿風风飯饭飲饮麵面麥麦穀谷糧粮鮮鲜魚鱼雞鸡鴨鸭豬猪馬马" +
	"鳥鸟顧顾問问題题頭头顏颜響响項项聖圣聲声職职肅肃歷历曆历壓压廟庙廢废強强彈弹錄录鄰邻隊队陳陈陸陆隨随隱隐雜杂離离劃划劉刘劍剑劇剧勝胜勵励勳勋匯汇彙汇參参嚴严執执壯壮夢梦奧奥孫孙寶宝將将尋寻導导屆届岡冈" +
	"嶽岳巖岩帶带幫帮幹干張张彌弥徑径復复複复徵征懷怀戰战戲戏戶户擇择擔担擴扩攝摄攜携敵敌斷断晉晋曉晓條条榮荣樂乐樹树橫横檔档歐欧歸归殘残殺杀氫氢決决況况淨净淺浅渦涡湯汤滅灭滿满漲涨潔洁潤润瀏浏爾尔牆墙獎奖" +
	"獨独獲获獻献瑪玛璽玺畝亩畢毕當当疇畴盡尽盤盘盧卢礎础禮礼禦御稱称積积穩稳窮穷競竞筆笔節节範范簡简簽签籌筹籃篮糾纠紀纪約约純纯納纳細细終终結结給给綜综維维綱纲緊紧緣缘編编練练縮缩績绩繼继續续羅罗習习聰聪" +
	"腳脚臨临興兴舉举蔣蒋蕭萧薩萨藝艺蘋苹虛虚蟲虫補补裝装裡里規规親亲覺觉觀观觸触訂订託托訓训記记訪访詞词試试詢询該该詳详語语誠诚誤误說说調调談谈請请論论諮咨謀谋講讲謝谢譯译讀读讓让貝贝負负貢贡貫贯賀贺賓宾" +
	"賢贤賦赋贏赢趙赵躍跃軍军輝辉輔辅輕轻載载較较遺遗鄧邓鄒邹醬酱釋释針针鈉钠錦锦鋰锂鍋锅鍵键鎂镁鎳镍鏡镜鐘钟鑒鉴鑑鉴閩闽閣阁闊阔闢辟陝陕雖虽靈灵靜静韓韩頁页預预領领頻频顯显飾饰餘余驅驱驛驿鵬鹏麗丽黨党點点" +
	"齡龄"

var simplifier = func() map[rune]rune {
	m, pair := map[rune]rune{}, []rune(simplified)
	for i := 0; i+1 < len(pair); i += 2 {
		if pair[i] != pair[i+1] {
			m[pair[i]] = pair[i+1]
		}
	}
	return m
}()

// Simplify puts the simplified form of every character that the table above has
// in the place of the traditional one, so that words are found and names are
// compared in either script. It is for comparing, never for showing: 後 and 后
// become one.
func Simplify(s string) string {
	return strings.Map(func(r rune) rune {
		if to, ok := simplifier[r]; ok {
			return to
		}
		return r
	}, s)
}
