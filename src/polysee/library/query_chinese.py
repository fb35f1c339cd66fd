"""Chinese negation for `query`: where it begins, how far it reaches, what only looks like it.

Both scripts are read (没/沒, 无/無, 带/帶); what comes out stays in the script it was typed in.
"""

from __future__ import annotations

import re

from polysee.library.query_scope import HIDDEN, QUOTES, Exclusion

_AFTER_MEI = (
    "关系 關係 事 用 问题 問題 想到 错 錯 落 收 精打采 劲 勁 准 準 食子 入 "
    "法 意思 辙 完没了 完沒了 心没肺 心沒肺 头没脑 頭沒腦 大没小 大沒小 日没夜 日沒夜 默"
)
_AFTER_WU = (
    "线 線 轨 軌 聊 辜 名 尽 盡 边 邊 际 際 限 比 敌 敵 奈 助 畏 私 形 声 聲 数 數 所 精 家 "
    "忧 憂 处 處 与 與 穷 窮 情 知 理 效 用 趣 味 色 毒 害 袖 框 糖 尾 花 核 氧 铅 鉛 缝 縫 "
    "损 損 论 論 法 骨 脊 产 產 锡 錫 缘 緣 需 须 須 疑 心 意 虑 慮 间 間 暇 双 雙 价 價 为 "
    "為 上 阻 常 题 題 端"
)
_UNMANNED = "机 機 区 區 驾 駕 车 車 岛 島 艇 船 值 超 商 店 售 问 問 能 自"
# 没什么人的海滩 is a beach without people; 没什么特别的 is nothing of the kind.
_AFTER_SHENME = "特别 特別 特殊 大不了 好 意思 关系 關係 问题 問題 用 可 事 不同 区别 區別 变化 變化 感觉 感覺 印象"
_AFTER_BU = "在乎 在意 在话下 是吗 是嗎 是滋味 是东西 要紧 要緊 要脸 要臉 带劲 帶勁 穿帮 含糊 开心 開心 打烊 打折"


def _any(words: str) -> str:
    return "(?:" + "|".join(words.split()) + ")"


INERT = re.compile(
    rf"""
      有[没沒]有 | 从[没沒未不] | 從[没沒未不] | 是不是 | 要不要 | 在不在 | [带帶]不[带帶] | 戴不戴 | 含不含
    | (?<=[淹埋出沉吞覆湮隐隱泯])[没沒] | [没沒]{_any(_AFTER_MEI)} | 不{_any(_AFTER_BU)}
    | [没沒]有?什[么麼](?:$|[，。；,;\s的]|{_any(_AFTER_SHENME)})
    | [没沒]有(?:关系|關係|问题|問題|办法|辦法|意思)
    | [无無]{_any(_AFTER_WU)} | [无無]人{_any(_UNMANNED)} | 毫[无無] | 万里[无無]云 | 萬里無雲 | 空[无無]一物
    | (?:什么|什麼|啥)[也都][没沒不]有?
    | 除了[^。；;]{{1,12}}?(?:还|還|也|又)(?![没沒不]) | 除此
    | (?:除了?|只有)[^。；;]{{1,12}}?
      (?:[没沒]有?(?:别|別|其他|其它|任何)|什[么麼][也都][没沒]有)[^，。；,;\s]*
    | [没沒]有?[^，。；,;\s的]{{1,8}}[以之]外的 | (?:[里米步]|意料)[以之]外
    | [写寫][着著有][^，。；,;\s]*
    """,
    re.VERBOSE,
)
"""What contains a negator and is none: words, names, questions, "besides"."""

_MEASURE = "[只隻个個条條辆輛张張位名匹头頭艘架台棵]"
_VERB = "[戴佩穿系繫拿骑騎抱坐站笑打牵牽背开開]"
_EMPTY_PLACE = (
    "(?:[海沙]滩|[海沙]灘|街|小[巷路镇鎮]|公[园路園]|教室|房间|房間|山谷|荒野|草原|森林|村庄|村莊)"
)
_NO_EXCEPT = (
    "[夕草湿濕尘塵雪锈銹冰]|[室户戶海国國郊野门門窗老]外"  # 除夕, 除草; 除室外 is not 除(室)外
)
_MANY = "(?:(?:[很太许許好]|[那这這][么麼])多的?)"
_NEGATOR = re.compile(
    rf"""
    (?:既|但是|但|却|卻|并且|並且|而且|而|且|同时|同時|也|又|都|还|還|完全|根本)*
    (?:
      (?P<nobody>空[无無]一人|[无無]人(?={_EMPTY_PLACE}))
    | (?P<none>(?:连|連)?一{_MEASURE}(?P<thing>(?:(?![没沒])[^，。、；,;\s的]){{1,6}}?)[也都][没沒]有)
    | (?P<except>除了|除(?!{_NO_EXCEPT})(?=[^，。、；,;\s]{{1,8}}(?:[以之]外|外(?:的|$|[，。；,;\s]))))
    | (?P<beyond>[^，。、；,;\s除{HIDDEN}]{{1,8}}?)[以之]外(?=的)
    | (?P<refuse>不(?:想|需)?要(?:再)?(?:有|看到|看|出现|出現)?|不想看[到见見]|不(?:能|可以)有|不(?:出现|出現)有?
        |(?:^|(?<=[，。；、,;\s但就请請]))别有(?!一番|用心|洞天|风味|風味|天地|情趣|韵味|韻味|深意)
        |(?<!特)别要|别给我看?|排除掉?|去掉)
    | (?P<lack>
        [没沒](?:有在|有|在)? | 不(?:包)?含有? | 不包括 | 不[带帶][有着著]? | 不是 | 不存在 | 不在
      | 缺[少乏] | 看不[到见見](?![的尽盡])
      | 不(?={_VERB}|下[雨雪]|看[镜鏡书書手]|[吃喝哭]|抽[烟煙]) | 未(?={_VERB})
      | [无無](?=[^，。、；,;\s]{{1,4}}的)
      | (?<![有虚虛])[无無](?=(?:人|水印|字幕|文字|人物|背景|标志|標誌)(?:$|[，。；,;\s]))
    )){_MANY}?
    """,
    re.VERBOSE,
)
_STOP = re.compile(
    r"[，。；！？,;!?()（）]|(?<![A-Za-z])\s|\s(?![A-Za-z])|但|却|卻|而是|只要|只有|就是|都(?:要|行|可以|好)"
    # 没有人在海滩上: the beach is wanted
    r"|(?<=人)在(?=[^的，。,;\s]+[上里裡中下边邊旁](?:$|[，。；,;\s]))"
)
_WORN = re.compile(
    r"[戴穿佩系繫打][^的，。、；,;\s和与]{1,4}?(?=[穿戴骑騎坐站拿抱躺]|走[在路])"
)  # 没戴帽子|穿红衣服的人
_EXCEPT_STOP = re.compile(
    r"(?:以外|之外|外(?![套衣国國星婆]))(?:的)?|的|都|所有|其他|其它|全部|任何"
)
_PLACE = re.compile(r"[上里裡中内內旁边邊下]$")
_ADJECTIVE = re.compile(
    r".{0,3}(?:[色形状狀样樣]|[大小长長短高矮胖瘦旧舊新圆圓方])|[红黄蓝绿白黑灰紫粉橙棕紅黃藍綠]|[很太最](?!多).{1,2}|漂亮|可爱|可愛"
)
_COLOUR = re.compile("[红黄蓝绿白黑灰紫粉橙棕紅黃藍綠金银銀]色")
_OF = re.compile("(?<![^特][别別])的")
_AND = re.compile(
    r"、|和|或者?|与|與|跟|以及|及|还有|還有|/|,|，|\s+(?=[^A-Za-z])|(?<=[^A-Za-z])\s+"
)
_LEAD = re.compile(
    r"任何|其他|其它|别的|別的|的|什么|什麼|多少|(?:[很太许許好]|[那这這][么麼])多(?=.)|[一几幾]"
    + _MEASURE
    + "(?=.)"
)
_TAIL = re.compile(
    r"(?:的(?:照片|图片|圖片|相片|图|圖|东西|東西)?|也|又|都|了|而且|并且|且|在里面|在内|在)$"
)
_PLACE_TAIL = re.compile(r"(?<=[\u3400-\u9fff]{2})[上里裡]$")


def find(text: str, visible: str, position: int) -> Exclusion | None:
    """The first exclusion at or after `position`; arguments as `query_english.find` has them."""
    for match in _NEGATOR.finditer(visible, position):
        if match.group("nobody"):
            return Exclusion(match.start(), match.end(), ("人",))
        for group in ("thing", "beyond"):
            if match.group(group):
                return Exclusion(match.start(), match.end(), (text[slice(*match.span(group))],))
        before = visible[position : match.start()].rstrip()
        stop, end = _reach(visible, match, before)
        terms = _terms(text[match.end() : stop], strip_place=match.group().endswith("在"))
        if terms:
            return Exclusion(match.start(), end, terms)
    return None


def _reach(visible: str, match: re.Match[str], before: str) -> tuple[int, int]:
    """Where what is excluded ends, and where what follows begins, with the 的 between them."""
    start = match.end()
    while start < len(visible) and visible[start].isspace():
        start += 1
    limits = [len(visible)]
    if found := _STOP.search(visible, start):
        limits.append(found.start())
    if (found := _NEGATOR.search(visible, start)) and not found.group("beyond"):
        limits.append(found.start())
    if found := _WORN.match(visible, start):
        limits.append(found.end())
    limit = min(limits)
    if match.group("except"):
        found = _EXCEPT_STOP.search(visible, start + 1, limit)
        return (found.start(), found.end()) if found else (limit, limit)
    divide = _divide(visible, start, limit, match, before)
    return (divide, divide) if divide is not None else (limit, limit)


def _divide(visible: str, start: int, limit: int, match: re.Match[str], before: str) -> int | None:
    """The 的 between what is excluded and what lacks it, as in 没有狗|的|海滩; None without one."""
    found = _OF.search(visible, start + 1, limit)
    if found is None:
        return None
    first = found.start()
    phrase = visible[start:first]
    adjective = bool(_ADJECTIVE.fullmatch(phrase))
    if match.group("refuse"):  # 猫，不要白色的狗; 不要穿红衣服的人: all of it is refused
        return None if before or adjective or re.match(_VERB, phrase) else first
    if (
        _PLACE.search(before) and re.match(_VERB, phrase) and first + 1 < limit
    ):  # 街上没有穿红衣服的人
        return None
    contrast = _COLOUR.search(phrase) and _COLOUR.match(visible, first + 1)  # 没有蓝色的红色
    if adjective and not contrast and not match.group().endswith("是"):  # 没有红色的车的街道
        second = visible.find("的", first + 1, limit)
        return second if second >= 0 else None
    return first


def _terms(phrase: str, strip_place: bool) -> tuple[str, ...]:
    """Split a list; a verb said once holds for all of it: 戴眼镜和帽子 is 戴眼镜, 戴帽子."""
    terms: list[str] = []
    verb = ""
    for term in _AND.split(phrase.strip()):
        term = (
            _LEAD.sub("", term.strip(f"{QUOTES} 。．.、"), count=1) if _LEAD.match(term) else term
        )
        term = _TAIL.sub("", term.strip(f"{QUOTES} 。．.、"))
        term = _PLACE_TAIL.sub("", term) if strip_place else term
        if not re.search(r"\w", term):
            continue
        if terms and verb and not re.match(_VERB, term):
            term = verb + term
        elif not terms and len(term) > 1:
            led = re.match("[戴佩穿系繫拿骑騎抱牵牽背]着?", term)
            verb = led.group() if led else ""
        terms.append(term)
    return tuple(dict.fromkeys(terms))
