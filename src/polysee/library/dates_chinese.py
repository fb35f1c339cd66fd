"""Chinese dates for `dates`, in both scripts: which words say a time, and which only look like it."""

from __future__ import annotations

import re
from datetime import date, timedelta

from polysee.library.dates_calendar import (
    DAY,
    HOLIDAYS,
    OLDEST,
    Atom,
    Period,
    at,
    back,
    days,
    distance,
    in_month,
    latest,
    lunar,
    months,
    of_this_year,
    part_of_day,
    season,
    third,
    week,
    weekend,
    years,
)
from polysee.library.dates_grammar import Grammar, cut, fixed

_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {
    "〇": 0, "○": 0, "两": 2, "兩": 2, "几": 3, "幾": 3,
}  # fmt: skip
_NUMBER = (
    r"(?:\d{1,3}|[一二三四五六七八九]?十[一二三四五六七八九]?|廿[一二三四五六七八九]?|"
    r"[一二两兩三四五六七八九]|[几幾](?!何))"
)
_YEAR = r"(?:(?:1[89]|20)\d\d|[一二][九八〇零○][〇零○一二三四五六七八九]{2})"
_MONTH_NUMBER = r"(?:1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九])"
_DAY_NUMBER = (
    r"(?:3[01]|[12]\d|0?[1-9]|[初廿][一二三四五六七八九十]|三十一?|二?十"
    r"[一二三四五六七八九]?|[一二三四五六七八九])"
)  # fmt: skip
_SEASON = {"春": "spring", "夏": "summer", "秋": "autumn", "冬": "winter"}
_WEEKDAY = {name: number for number, name in enumerate("一二三四五六日")} | {"天": 6}
_WEEKDAY |= {str(number + 1): number for number in range(6)}
_PHOTO = r"(?:照|图|圖|相片|影像|画面|畫面|拍|视频|視頻)"
_BOUND = (
    r"(?=$|[\s,，。、；;！!？?)）(（和与與或到至~～—\-]|的?(?:时候|時候|那|那天|期间|期間|假期?|长假|長假|当天"
    r"|當天)|的?\s*" + _PHOTO + "|拍|在|去|时|時)"
)
_HOLIDAY = {
    "元旦": "new year", "跨年(?:夜)?": "new year's eve", "情人节|情人節": "valentine",
    "(?:三八)?(?:妇女|婦女|女神)节|(?:三八)?(?:妇女|婦女)節|三八节|三八節": "women", "植树节|植樹節": "arbor",
    "愚人节|愚人節": "fools", "清明(?:节|節)?": "qingming", "复活节|復活節": "easter",
    "五一(?:劳动节|勞動節|国际劳动节|小长假|黄金周)?|劳动节|勞動節": "labour",
    "青年节|青年節|五四青年节": "youth", "母亲节|母親節": "mother",
    "(?:六一)?(?:国际)?(?:儿童节|兒童節)|六一": "children", "父亲节|父親節": "father",
    "教师节|教師節": "teachers",
    "(?:十一)?(?:国庆|國慶)(?:节|節)?(?:黄金周)?|"
    "十一(?![月个個只点點岁歲人年天日号號条張张名时時])": "national",
    "万圣(?:节|夜)|萬聖(?:節|夜)": "halloween", "双十一|雙十一|双11|光棍节": "singles", "感恩节|感恩節": "thanksgiving",
    "平安夜": "christmas eve", "(?:圣诞|聖誕)(?:节|節)?": "christmas",
    "春节|春節|过年|過年|农历新年|農曆新年|新春|大年初一": "spring festival",
    "除夕(?:夜)?|年三十|大年三十|大年夜": "lunar eve", "(?:农历)?正月十五": "lantern day", "元宵(?:节|節)?": "lantern",
    "端午(?:节|節)?": "dragon boat", "七夕(?:节|節)?": "qixi", "中秋(?:节|節)?|(?:农历|農曆)?八月十五": "mid-autumn",
    "重阳(?:节|節)?|重陽節?": "double ninth",
    "冬至": "winter solstice", "夏至": "summer solstice", "腊八(?:节)?": "laba",
    "暑假": "summer holidays", "寒假": "winter holidays",
}  # fmt: skip
_VISIBLE = {
    "valentine",
    "easter",
    "halloween",
    "thanksgiving",
    "christmas",
    "christmas eve",
    "lantern",
}
"""Holidays that are looks as much as days: alone, 圣诞节 may mean the tree."""
_ONLY_DATED = {"五一", "六一", "过年", "過年", "新春", "跨年", "十一"}
"""Words that mean a holiday only beside a year or at the end of a phrase."""

GRAMMAR = Grammar()
_rule = GRAMMAR.rule


def number(text: str) -> int:
    """
    Example:
        >>> number("二十三"), number("廿五"), number("初八"), number("十"), number("12")
        (23, 25, 8, 10, 12)
    """
    if text.isdigit() and text.isascii():
        return int(text)
    text = text.removeprefix("初").replace("廿", "二十")
    tens, ten, ones = text.rpartition("十")
    if not ten:
        return _DIGITS[text]
    return 10 * (_DIGITS[tens] if tens else 1) + (_DIGITS[ones] if ones else 0)


def _year_number(text: str) -> int:
    return int(text) if text.isascii() else int("".join(str(_DIGITS[digit]) for digit in text))


# -- years -----------------------------------------------------------------------------------------

_SHARE = (
    r"(?P<share>年初(?![春夏秋冬])|年中|年底|年末|年尾|上半年|下半年|前半年|后半年|早期|初期|中期|后期|末期|第?"
    r"[一二三四1-4]季度)"
)


def _share(name: str, whole: Period) -> Period:
    """A part of a year by its name."""
    year = whole.start.year
    if name.endswith("季度"):
        return months(year, 3 * number(name.removeprefix("第")[0]) - 2, 3)
    if "半年" in name:
        return months(year, 1 if name[0] in "上前" else 7, 6)
    if name[0] in "年" and (whole.end - whole.start).days <= 366:
        return {"初": months(year, 1, 2), "中": months(year, 5, 4)}.get(
            name[1], months(year, 11, 2)
        )
    return third(whole, 0 if name[0] in "早初" else 1 if name[0] == "中" else 2)


@_rule(rf"(?<![\d〇零○一二三四五六七八九十.])(?:(?P<year2>{_YEAR})(?P<share2>年(?:初(?![春夏秋冬])|[中底末尾]))"
       rf"|(?P<year>{_YEAR})年(?:度|份)?(?:的?{_SHARE})?(?!代|历史|歷史|[级級]|[款式产產陈陳]|[间間]))")  # fmt: skip
def _year(match: re.Match[str], today: date) -> Atom | None:
    year = _year_number(match["year"] or match["year2"])
    if year > today.year + 1 or year < OLDEST:
        return None
    share = match["share"] or match["share2"]
    if share:
        return fixed(match, _share(share, years(year)))
    return Atom(*match.span(), period=years(year), year=year)


@_rule(rf"(?<![\d〇零○一二三四五六七八九十.])(?P<year>\d\d|[〇零○九八七][〇零○一二三四五六七八九]"
       rf")年(?!代|[前后後间間来來级級])(?P<photo>的?{_PHOTO}|(?=拍))?")  # fmt: skip
def _short_year(match: re.Match[str], today: date) -> Atom | None:
    value = _year_number(match["year"])
    year = 2000 + value if 2000 + value <= today.year else 1900 + value
    end = match.end() if match["photo"] is None else match.start("photo")
    return Atom(match.start(), end, period=years(year), year=year, alone=match["photo"] is not None)


@_rule(rf"(?<![\d一二三四五六七八九十])(?P<year>{_YEAR})(?=[\u3400-\u9fff])(?!"
       rf"[年月日号号米元块塊人个個只隻张張名种種克字步路房室式级級度瓦次辆輛公平斤吨条篇本份页台万千亿多])"
       rf"(?<=^....)")  # fmt: skip
def _leading_year(match: re.Match[str], today: date) -> Atom | None:
    if not match["year"].isascii() or int(match["year"]) > today.year:
        return None
    year = int(match["year"])
    return Atom(*match.span(), period=years(year), year=year)


_BACK = {
    "大前年": 3,
    "前年": 2,
    "去年": 1,
    "上一年": 1,
    "今年": 0,
    "本年": 0,
    "这一年": 0,
    "明年": -1,
}


@_rule(rf"(?P<word>大前年|前年|去年|上一年|今年|本年(?!度报)|这一年|明年)(?![轻輕龄齡糕货貨画畫级級代纪紀])(?<!"
       rf"[过過失]去年)(?:度|份)?(?:的?{_SHARE}|(?P<edge>[初底末尾](?=$|[的拍照在去，。；、,;\s])))?"
       rf"|(?<![\d一二三四五六七八九十百千])(?P<count>{_NUMBER})年(?:以|之)?前(?!后|後)(?:的?(?="
       rf"[的\s]|$|[\u3400-\u9fff]))")  # fmt: skip
def _relative_year(match: re.Match[str], today: date) -> Atom | None:
    if match["count"]:
        said = match[0]
        if re.search(r"[千百万萬]$", match.string[: match.start()]):
            return None
        if said.rstrip("的").endswith(("以前", "之前")) and number(match["count"]) > 3:
            recent = back(today, number(match["count"]), "year")
            return fixed(match, Period(at(date(OLDEST, 1, 1)), recent.start))
        return distance(_trimmed(match), today, number(match["count"]), "year")
    if match["word"] == "前年" and re.search(rf"{_NUMBER}$", match.string[: match.start()]):
        return None
    year = today.year - _BACK[match["word"]]
    share = match["share"] or (match["edge"] and f"年{match['edge']}")
    if share:
        return fixed(match, _share(share, years(year)))
    return Atom(*match.span(), period=years(year), year=year)


def _trimmed(match: re.Match[str]) -> tuple[int, int]:
    return match.start(), match.end() - match[0].endswith("的")


@_rule(r"(?:(?P<century>上(?:个|個)?世纪|上(?:个|個)?世紀|二十世纪|20世纪|本世纪|二十一世纪|21世纪))?"
       r"(?P<decade>[1-9一二三四五六七八九][0十〇零])年代(?P<share>初|初期|早期|中期|末|末期|后期)?"
       r"|(?P<whole>(?:19|20)\d0)年代")  # fmt: skip
def _decade(match: re.Match[str], today: date) -> Atom | None:
    if match["whole"]:
        return fixed(match, years(int(match["whole"]), 10))
    said = match["decade"]
    decade = number(said) if said[1] == "十" or said.isdigit() else 10 * _DIGITS[said[0]]
    recent = (match["century"] or "").startswith(("本", "二十一", "21")) or (
        not match["century"] and decade < 30
    )
    whole = years((2000 if recent else 1900) + decade, 10)
    return fixed(match, _share(match["share"] + "期", whole) if match["share"] else whole)


# -- days, weeks, months by their distance -----------------------------------------------------------

_HOURS = {
    "早上": "morning", "早晨": "morning", "上午": "morning", "清晨": "morning", "凌晨": "dawn", "早": "morning",
    "中午": "noon", "下午": "afternoon", "傍晚": "evening", "晚上": "night", "晚": "night",
    "夜里": "night", "夜": "night",
}  # fmt: skip
_TIME = "(?P<time>早上|早晨|上午|清晨|凌晨|中午|下午|傍晚|晚上|夜里)?"


@_rule(rf"(?P<word>大前天|前天|昨天|昨日|今天|今日)(?![气氣空鹅鵝窗线線花才使赋賦文地堂井坛壇桥橋重头頭])(?:的?"
       rf"{_TIME})|(?P<short>[昨今][早晚夜])(?:上)?"
       rf"|(?P<count>{_NUMBER})(?:天|日)(?:以|之)?前")  # fmt: skip
def _day(match: re.Match[str], today: date) -> Atom | None:
    if match["count"]:
        return distance(match.span(), today, number(match["count"]), "day")
    said = match["word"] or match["short"]
    if said in ("前天",) and match.string[: match.start()].endswith(("以", "之", "目")):
        return None
    if said in ("今天", "今日") and match.string[: match.start()].endswith("如"):
        return None
    ago = {"大前": 3, "前天": 2}.get(said[:2], int(said[0] == "昨"))
    name = _HOURS.get(match["time"] or (said[1] if match["short"] else ""), "")
    day = today - ago * DAY
    if name in ("dawn", "noon"):
        first, last = (0, 6) if name == "dawn" else (11, 14)
        return fixed(
            match, Period(at(day) + timedelta(hours=first), at(day) + timedelta(hours=last))
        )
    return fixed(match, part_of_day(day, name))


_THIS = "(?:这一|這一|这|這|本|当前|當前)"


@_rule(rf"(?P<which>上上一?|上一?|{_THIS})(?:个|個)?(?P<name>周|週|星期|礼拜|禮拜)(?P<day>末|"
       rf"[一二三四五六日天1-6](?![个個只隻张張]))?(?:的?{_TIME})(?![围圍边邊身到公长長岁歲年期报報转轉刊堂])"
       rf"|(?P<count>{_NUMBER})(?:个|個)?(?:周|週|星期|礼拜|禮拜)(?:以|之)?前")  # fmt: skip
def _week(match: re.Match[str], today: date) -> Atom | None:
    if match["count"]:
        return distance(match.span(), today, number(match["count"]), "week")
    if (
        re.search(r"[晚早路街身桌车車船山海床楼樓脸臉手日]$", match.string[: match.start()])
        and not match["day"]
    ):
        return None
    ago = 2 if match["which"].startswith("上上") else int(match["which"].startswith("上"))
    if match["day"] == "末":
        return distance(match.span(), today, ago, "weekend")
    whole = week(today, ago)
    if match["day"] is None:
        return fixed(match, whole)
    day = whole.start.date() + _WEEKDAY[match["day"]] * DAY
    return fixed(match, part_of_day(day, _HOURS.get(match["time"] or "", "")))


@_rule(
    rf"(?<![上下这這本每个個])(?:周|週|星期|礼拜|禮拜)(?P<day>[一二三四五六日天末])(?:的?{_TIME})?{_BOUND}"
)
def _weekday(match: re.Match[str], today: date) -> Atom | None:
    if match["day"] == "末":
        period = weekend(today)
        return fixed(match, period if period.start <= at(today) else weekend(today, 1))
    since = (today.weekday() - _WEEKDAY[match["day"]]) % 7
    return fixed(match, part_of_day(today - since * DAY, _HOURS.get(match["time"] or "", "")))


@_rule(rf"(?P<which>上上一?|上一?|{_THIS})(?P<measure>个|個)?月(?![亮球光牙饼餅色圆圓食蚀明影台季薪老])"
       rf"(?P<third>初|上旬|中旬|中|下旬|底|末)?"
       rf"|(?P<count>{_NUMBER})(?:个|個)月(?:以|之)?前")  # fmt: skip
def _month_back(match: re.Match[str], today: date) -> Atom | None:
    if match["count"]:
        return distance(match.span(), today, number(match["count"]), "month")
    before = match.string[: match.start()]
    if not match["measure"] and re.search(r"[天海水山江湖手船树樹早晚屋顶頂地]$", before):
        return None  # 天上月
    ago = 2 if match["which"].startswith("上上") else int(match["which"].startswith("上"))
    whole = months(today.year, today.month - ago)
    return fixed(match, third(whole, _THIRD[match["third"]]) if match["third"] else whole)


_UNIT = {
    "天": "day",
    "日": "day",
    "周": "week",
    "週": "week",
    "星期": "week",
    "礼拜": "week",
    "月": "month",
    "年": "year",
}


@_rule(rf"(?:最近的?|近|过去的?|過去的?|这|這)(?P<count>{_NUMBER}|半)(?:个|個)?(?P<unit>天|日|周|週|星期|礼拜|"
       rf"月|年)(?:以?[来來]|内|內|里|间)?"
       rf"|(?P<count2>{_NUMBER}|半)(?:个|個)?(?P<unit2>天|周|週|星期|礼拜|月|年)(?:以|之)?[内內]|"
       rf"(?P<half>半年)(?:以|之)?前")  # fmt: skip
def _stretch(match: re.Match[str], today: date) -> Atom | None:
    if match["half"]:
        return distance(match.span(), today, 6, "month")
    count, unit = match["count"] or match["count2"], _UNIT[match["unit"] or match["unit2"]]
    if match[0][0] in "这這" and (count != "几" and count != "幾" and number(count) < 2):
        return None  # 这一天
    if count == "半":
        return fixed(match, back(today, 15, "day") if unit == "month" else back(today, 6, "month"))
    return fixed(match, back(today, number(count), unit))


@_rule(r"前几天|前幾天|前些天|前些日子|这几天|這幾天|前阵子|前段时间")
def _lately(match: re.Match[str], today: date) -> Atom | None:
    return fixed(match, back(today, 7 if match[0].endswith("天") else 60, "day"))


@_rule(r"(?P<year>去年|前年)的?(?:今天|今日|这一?天)")
def _anniversary(match: re.Match[str], today: date) -> Atom | None:
    year = today.year - _BACK[match["year"]]
    return fixed(match, days(date(year, today.month, today.day)))


@_rule(rf"(?:^|(?<=\s)){_SHARE}{_BOUND}")
def _share_alone(match: re.Match[str], today: date) -> Atom | None:
    share = match["share"]
    if share.endswith("期"):
        return None
    return Atom(*match.span(), part=lambda year: _share(share, years(year)))


@_rule(rf"^最近(?=\s|$|在|去|拍)|最近(?=的?{_PHOTO})|(?<=我)最近(?=在|去)")
def _recent(match: re.Match[str], today: date) -> Atom | None:
    return fixed(match, back(today, 30, "day"))


# -- parts of a year -------------------------------------------------------------------------------

_THIRD = {"初": 0, "上旬": 0, "中": 1, "中旬": 1, "下旬": 2, "底": 2, "末": 2}
_NO_MONTH = (
    r"(?![天花份]?(?:天组|天組)|[天花半龄齡婴嬰]|革命|党|黨|怀胎|懷胎|流火|未央|是你|街|[二三九](?!"
    r"[十日号號])|球|初[一二三四五六七八九十]|大的?|的小雨|光|亮|饼|餅)"
)


@_rule(rf"(?<![\d个個几第零〇○一二三四五六七八九十岁歲.])(?P<month>{_MONTH_NUMBER})月(?:份)?"
       rf"(?:(?P<day>{_DAY_NUMBER})(?:日|号(?![楼线館馆院店])|號(?![樓線館院店]))?(?:\s*"
       rf"[-–—~～到至]\s*(?P<until>{_DAY_NUMBER}))?(?:日|号(?![楼线館馆院店])|號(?![樓線館院店]))(?:\s*[（(]?"
       rf"(?:周|週|星期|礼拜)[一二三四五六日天][）)]?)?|(?P<bare>\d\d?)(?![\d月年]|\s*"
       rf"[只个隻個张張度岁人米元点])|(?:的)?(?P<third>初(?![一二三四五六七八九十])|上旬|中旬|下旬|中(?!"
       rf"[国國秋的])|底|末)|(?:的?第(?P<nth>[一二三四])周)|{_NO_MONTH})")  # fmt: skip
def _month(match: re.Match[str], today: date) -> Atom | None:
    month = number(match["month"])
    if match["day"] or match["bare"]:
        day = number(match["day"] or match["bare"])
        date(2024, month, day)  # is there such a day?
        count = max(1, number(match["until"]) - day + 1) if match["until"] else 1
        return Atom(*match.span(), part=in_month(month, day, count))
    if match["nth"]:
        return Atom(*match.span(), part=in_month(month, 7 * number(match["nth"]) - 6, 7))
    part = in_month(month)
    if match["third"]:
        which = _THIRD[match["third"]]
        return Atom(*match.span(), part=lambda year: third(months(year, month), which))
    return Atom(*match.span(), part=part)


@_rule(
    rf"(?:(?:农历|農曆|阴历|陰曆)(?P<month>{_MONTH_NUMBER})月|(?:农历|農曆)?(?P<word>正月|腊月|臘月|冬月))"
    rf"(?P<day>初?{_DAY_NUMBER})?(?:日|号)?"
)
def _lunar(match: re.Match[str], today: date) -> Atom | None:
    said = (match["word"] or "")[:1]
    month = {"正": 1, "腊": 12, "臘": 12, "冬": 11}.get(said) or number(match["month"])
    first, count = (number(match["day"]), 1) if match["day"] else (1, 30)
    part = lunar(month, first, count)
    return Atom(*match.span(), part=(lambda year: part(year - 1)) if month > 11 else part)


@_rule(r"(?P<which>上(?:一)?(?:个|個)|上一|这(?:个|個)?|這個?|今|去|每(?:年|个|個|一)的?|历年的?)?(?P<name>"
       r"[春夏秋冬])(?:天|季|日(?!式)|(?=$|\s))"
       r"|(?P<which2>今|去)(?P<name2>[春夏秋冬])|(?P<edge>[初盛仲晚暮早深寒])(?P<name3>[春夏秋冬])")  # fmt: skip
def _season(match: re.Match[str], today: date) -> Atom | None:
    which = match["which"] or match["which2"] or ""
    name = match["name"] or match["name2"] or match["name3"]
    part = season(_SEASON[name])
    if match["edge"]:
        which_third = 0 if match["edge"] in "初早" else 1 if match["edge"] in "盛仲" else 2
        return Atom(*match.span(), part=cut(part, which_third), alone=False)
    if which.startswith(("每", "历")):
        return Atom(*match.span(), part=part, every=True)
    if which == "去":
        if not re.match(r"$|[\s的,，]", match.string[match.end() :]) or match["name"]:
            return None  # 去夏天的海边: to go
        return fixed(match, part(today.year - 1))
    if which.startswith("上"):
        return fixed(match, latest(part, today, over=True))
    if which.startswith(("这", "這", "今")):
        return fixed(match, of_this_year(part, today))
    return Atom(*match.span(), part=part, alone=False)


@_rule(r"(?P<which>上(?:一)?(?:个|個)?|这(?:个|個)?|這個?|今年|每(?:年|个|個)的?|历年的?|每逢|每到)?(?P<lead>"
       r"在|过|過)?(?P<name>"
       + "|".join(f"(?:{pattern})" for pattern in _HOLIDAY) + r")"
       r"(?P<tail>期间|期間|前夕|当天|當天|那天|那几天|的?时候|的?時候|假期|长假|長假|小长假|放假)?")  # fmt: skip
def _holiday(match: re.Match[str], today: date) -> Atom | None:
    said, which = match["name"], match["which"] or ""
    rest = match.string[match.start("name") :]
    keys = ((re.match(pattern, rest), key) for pattern, key in _HOLIDAY.items())
    key = next(key for found, key in keys if found and found.group() == said)
    part = HOLIDAYS[key]
    if said == "大年初一":
        part = lunar(1, 1)
    if which.startswith(("每", "历")):
        return Atom(*match.span(), part=part, every=True)
    if which.startswith("上"):
        return fixed(match, latest(part, today, over=True))
    if which.startswith(("这", "這", "今")):
        return fixed(match, of_this_year(part, today))
    begin = match.start("lead") if match["lead"] else match.start("name")
    rest = match.string[match.end() :]
    bound = re.match(_BOUND, rest) is not None
    if match["tail"] or match["lead"] in ("过", "過"):
        alone = True
    elif key in _VISIBLE:
        alone = bool(re.match(rf"的?{_PHOTO}|拍|在", rest))
    else:
        edge = begin == 0 or match.string[begin - 1].isspace()
        alone = bound and (said not in _ONLY_DATED or (edge and said != "十一"))
    return Atom(begin, match.end(), part=part, alone=alone)
