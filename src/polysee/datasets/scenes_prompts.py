"""Prompts as people type them, made into sentences as scenes are told in.

A model of the made world has read simplified characters, numbers as words, and names of things. People also write
2只猫, 請畫一隻貓, or 🐶.
"""

from __future__ import annotations

import functools
import re

from polysee.datasets.scenes_things import Concept, bare, concepts

# What the world's words, and those around them, are in traditional characters; each stands above its simplified one.
_TRADITIONAL = (
    "乾倉個們傘傷兒兩劍動員喫噁噴圖團報塊壺壽嬰學寶對峯師帳帶幫幹廚廠張彎後從惡愛慮憂憤懶戲捲掃擊擔書條棟楓業極樓樹機檸櫚櫻欖氣沒"
    "淚淺滅滿漢漸灘為烏無熱燈燭爺牀獁獅獎獨獸獺獼畢畫癡發皁盃盞祇禮筆箏節築籃籠糰紅紙組結給絲綠網綿線繪聖腦膠臉臺興舉葉著蔔蔥薩藍"
    "藥蘋蘭蘿號蝟蝦蝸螞蟲蟻蠍蠟裏裡製褲襪襯視覺記訝試話誕調請謝護變豬貓貨貴賊賓購賽車輛輪辦農這連遊運過遠邊郵醜醫鈴鉛鋸錘錢錨錶鍾"
    "鎖鏡鐘鐵鐺鑰鑽長門閃開間陽隻雙雞難雲電靈頂頭頸顆顯風飛飯飲餃餅馬駝駱驚驢鬧鬱魚魷鮮鯊鯨鱷鳥鴨鴿鵝鵡鷹鸚鹽麥麪麵麼黃齒齡龍龜"
)
_SIMPLIFIED = (
    "干仓个们伞伤儿两剑动员吃恶喷图团报块壶寿婴学宝对峰师帐带帮干厨厂张弯后从恶爱虑忧愤懒戏卷扫击担书条栋枫业极楼树机柠榈樱榄气没"
    "泪浅灭满汉渐滩为乌无热灯烛爷床犸狮奖独兽獭猕毕画痴发皂杯盏只礼笔筝节筑篮笼团红纸组结给丝绿网绵线绘圣脑胶脸台兴举叶着卜葱萨蓝"
    "药苹兰萝号猬虾蜗蚂虫蚁蝎蜡里里制裤袜衬视觉记讶试话诞调请谢护变猪猫货贵贼宾购赛车辆轮办农这连游运过远边邮丑医铃铅锯锤钱锚表钟"
    "锁镜钟铁铛钥钻长门闪开间阳只双鸡难云电灵顶头颈颗显风飞饭饮饺饼马驼骆惊驴闹郁鱼鱿鲜鲨鲸鳄鸟鸭鸽鹅鹉鹰鹦盐麦面面么黄齿龄龙龟"
)
_WIDE = "".join(map(chr, range(0xFF10, 0xFF5B)))  # digits and letters as wide as a character
_NARROW = "".join(chr(ord(c) - 0xFEE0) for c in _WIDE)
_CHARACTERS = str.maketrans(_TRADITIONAL + _WIDE, _SIMPLIFIED + _NARROW, "\u200b\u200c\u2060\ufeff")

_HAN = "\u3400-\u9fff"
_ASKED = re.compile(
    r"""
      ^[\s，。,]*(?:请|麻烦)?你?(?:帮我|给我|替我|为我)?(?:画|绘制|生成)(?:出|一下)?
      (?![着家笔布架板框册室展作面像中上里的])[:：\s]*(?=\S)
    | ^\s*(?:please\s+)?(?:can\s+you\s+)?(?:draw|paint|sketch|generate|create|make)\s+(?:me\s+)?
      (?:(?:a|an|the)\s+(?:picture|image|drawing|painting|photo)\s+of\s+)?
    | [\s，。,!！~～]*(?:谢谢|多谢|thanks|thank\ you|please)[\s，。,.!！~～]*$
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NUMBERS = {"english": " one two three four five".split(" "), "chinese": list(" 一两三四五")}


def plain(prompt: str) -> str:
    """The same in words that sentences about scenes are made of.

    Numbers beyond five, emoji that the world does not have, and the like, stay as they are.

    Example:
        >>> plain("請幫我畫一隻戴著帽子的狗！謝謝"), plain("2只🐶")
        ('一只戴着帽子的狗', '两只狗')
        >>> plain("Draw me a picture of 3 cats"), plain("🐱🐱 on a 🛋️")
        ('three cats', 'two cats on a sofa')
        >>> plain("一只戴hat的dog")
        '一只戴帽子的狗'
    """
    text = _ASKED.sub("", bare(prompt.translate(_CHARACTERS)))
    chinese = re.search(f"[{_HAN}]", text) or not re.search("[A-Za-z]", text)
    language = "chinese" if chinese else "english"
    text = _emoji().sub(lambda found: _named(found, language), text).replace("\u200d", "")
    if language == "english":
        text = re.sub(r"(?<!\S)[1-5](?=\s+[A-Za-z])", lambda n: _NUMBERS[language][int(n[0])], text)
        return " ".join(text.split())
    text = _english().sub(lambda found: _of_english()[found[0].lower()], text)
    text = re.sub(rf"(?<!\d)[1-5](?=\s*[{_HAN}])", lambda n: _NUMBERS[language][int(n[0])], text)
    return re.sub(rf"(?<=[{_HAN}])\s+(?=[{_HAN}])", "", text).strip()


def _named(found: re.Match[str], language: str) -> str:
    """An emoji, or up to five of the same."""
    concept = _of_emoji()[found[1]]
    count = len(found[0]) // len(found[1])
    if count > 5:
        return found[0]
    if language == "english":
        word = concept.english[0]
        return f" {_NUMBERS[language][count]} {word.many} " if count > 1 else f" {word.one} "
    noun = concept.chinese[0]
    return f"{_NUMBERS[language][count]}{noun.measures[0]}{noun.word}" if count > 1 else noun.word


@functools.cache
def _of_emoji() -> dict[str, Concept]:
    """Concepts by their pictures."""
    return {
        picture: concept
        for concept in reversed(concepts().values())
        for picture in concept.pictures
    }


@functools.cache
def _of_english() -> dict[str, str]:
    """The Chinese of the English names of things, for sentences that are Chinese but for them."""
    found: dict[str, str] = {}
    for concept in reversed(concepts().values()):
        for number, word in reversed(list(enumerate(concept.english))):
            alike = concept.chinese[min(number, len(concept.chinese) - 1)].word
            found |= dict.fromkeys((word.one.lower(), word.many.lower()), alike)
    return found


@functools.cache
def _english() -> re.Pattern[str]:
    every = "|".join(sorted(map(re.escape, _of_english()), key=len, reverse=True))
    return re.compile(rf"(?<![A-Za-z])(?:{every})(?![A-Za-z])", re.IGNORECASE)


@functools.cache
def _emoji() -> re.Pattern[str]:
    """An emoji of the world, once or more often."""
    every = "|".join(sorted(map(re.escape, _of_emoji()), key=len, reverse=True))
    return re.compile(rf"({every})\1*")
