"""What a person typed, split into what is wanted and what is to stay out.

A text tower does not understand "without": the vector of "a beach without people" lies beside that
of "people on a beach". So negation is read here, by rule, and becomes exclusion in the search.

English (`query_english`):

- "X without Y", "X with no Y", "X w/o Y", "X but no Y", "X but not Y", "X, no Y", "X, not Y",
  "X (no Y)";
- "except (for)", "excluding", "other than", "apart from", "instead of", "rather than",
  "everything but Y", and "X -Y" as in search engines;
- "that is not / isn't / aren't / doesn't have / not wearing / lacking Y", "neither Y nor Z",
  "nobody" and "no one" (which exclude people);
- lists: "without Y or Z", "without Y, Z or W", "no Y and no Z";
- the exclusion ends where the next phrase begins: "a dog without a leash on the beach" wants a
  dog on the beach, "no dogs on the beach" wants the beach, "a girl without a helmet riding a bike"
  a girl who rides; but "not looking at the camera" excludes all of that.

Chinese, simplified and traditional (`query_chinese`):

- 没有Y的X, X没有Y, 没Y的X, 有X没有Y, "X，不要Y", X但没有Y, 没有Y和Z的X, 没有Y也没有Z的X;
- the verb stays with what is excluded: 没戴眼镜的猫 excludes 戴眼镜, 没戴眼镜和帽子的人 also
  戴帽子, and 没戴帽子骑车的人 rides;
- 不带、不含、不包括、不是、不戴、不穿、不在、无、未戴 + Y的X, 不是Y而是X, 排除Y, 空无一人;
- 看不到Y的X, 缺少Y的X, 不想看到Y;
- 除了Y(以外)的X, Y以外的X, 除了Y都要; but 除了Y还有X ("besides Y also X") excludes nothing.

Nothing but a negation ("no dogs", 不要狗, "pictures without people") wants everything but that:
`wanted` is then empty.

Not read as negation: words and names that only contain a negator (不锈钢, 无人机, 没关系, "snow",
"Notting Hill"), signs ("no entry sign", "no smoking"), "not only", "nothing but", "no doubt",
questions (有没有, 是不是), and whatever stands in quotes or in 《》.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from polysee.library import query_chinese, query_english
from polysee.library.query_scope import HIDDEN, Exclusion

LONGEST = 500
"""A text of more characters is no query that a person types, and is not searched for negation."""

_QUOTED = re.compile(
    r"\"[^\"]*\"|“[^”]*”|‘[^’]*’|「[^」]*」|『[^』]*』|《[^》]*》|〈[^〉]*〉|(?<!\w)'[^']+'(?!\w)"
)

# A wanted part made of such words alone asks for any picture.
_FILLER = re.compile(
    r"(?:\b(?:show|find|give|me|us|please|all|any|every|everything|anything|my|the|a|an|of|i|want|only|those|"
    r"pictures?|photos?|photographs?|images?|pics?|shots?|ones?|things?|that|which|with|is|are|there|it|and|or|but|"
    r"in|to|see|this|what|taken|from)\b|照片|图片|圖片|相片|图像|图|圖|画面|畫面|东西|東西|内容|所有|全部|其他|其它|任何|一切|给|給|帮|幫|找|"
    r"我|你|这|那|是|想|要|看|的|都|就|请|請|行|可以|了|吧|里|裡|中|上|张|張|\W|_)+",
    re.IGNORECASE,
)
# What joins a wanted part to an exclusion, and hangs loose once the exclusion is gone.
_LOOSE_LEAD = re.compile(
    r"(?:[\s,，、;；:：。.!！)）\]]+|\b(?:but|and|or|please|only|just)\b"
    r"|但是?|有[没沒]有|只要|只有|而是|就是|我?想?要(?![塞饭道])有?|[给帮幫]我[看找]?|有(?![轨机趣名色线氧声])(?=[\u3400-\u9fff])"
    r"|是(?=[\u3400-\u9fff])|的)+",
    re.IGNORECASE,
)
_LOOSE_TAIL = re.compile(
    r"(?:[\s,，、;；:：(（\[–—-]"
    r"|\b(?:and|but|or|with|that|which|who|is|are|has|have|where|there|any|in|i|it)$"
    r"|(?<=[\u3400-\u9fff])(?:但是|但|却|卻|也|又|并且|而且|而|且|里面|裡面|上面|中间|是|的))$",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(r"(?:on|in|at|near)\s+", re.IGNORECASE)
_PLACE_TAIL = re.compile(r"(?<=[\u3400-\u9fff]{2})[上里裡]$")  # 沙发上没有猫: the sofa is wanted
_COUNTED = re.compile(
    r"[一二两兩三四五六七八九十几幾这這那\d][\u3400-\u9fff]$|[多些和与與]$"
)  # 一只, 很多


@dataclass(frozen=True)
class ParsedQuery:
    """A query, split.

    Args:
        wanted: what the picture should show; empty where only exclusions were typed.
        excluded: what it should not show, each in the words that would find it.
    """

    wanted: str
    excluded: tuple[str, ...] = ()


def parse_query(text: str) -> ParsedQuery:
    """Split a query into what is wanted and what is excluded; the module's docstring says how.

    A query without negation comes back as typed, but for its white space.

    Args:
        text: what a person typed, in Chinese, English or both.
    Example:
        >>> parse_query("a beach without people or dogs")
        ParsedQuery(wanted='a beach', excluded=('people', 'dogs'))
        >>> parse_query("没戴眼镜的猫")
        ParsedQuery(wanted='猫', excluded=('戴眼镜',))
        >>> parse_query("no dogs")
        ParsedQuery(wanted='', excluded=('dogs',))
        >>> parse_query("不锈钢水壶")
        ParsedQuery(wanted='不锈钢水壶', excluded=())
    """
    text = " ".join(text.replace(HIDDEN, " ").split())
    if len(text) > LONGEST:
        return ParsedQuery(text)
    kept, excluded, position = [], [], 0
    for exclusion in _exclusions(text, _hide_inert(text)):
        kept.append(text[position : exclusion.start])
        excluded += [term for term in exclusion.terms if term not in excluded]
        position = exclusion.end
    if not excluded:
        return ParsedQuery(text)
    kept.append(text[position:])
    return ParsedQuery(_tidy(kept), tuple(excluded))


def hide_quoted(text: str) -> str:
    """Blank out what stands in quotes, keeping every position."""
    return _QUOTED.sub(lambda match: HIDDEN * len(match.group()), text)


def says_nothing(text: str) -> bool:
    """Whether words ask for any picture: "show me photos"."""
    return not text or _FILLER.fullmatch(text) is not None


def _hide_inert(text: str) -> str:
    """Blank out what no rule may read, keeping every position."""
    text = hide_quoted(text)
    for pattern in (query_english.INERT, query_chinese.INERT):
        text = pattern.sub(lambda match: HIDDEN * len(match.group()), text)
    return text


def _exclusions(text: str, visible: str) -> Iterator[Exclusion]:
    """Every exclusion from left to right, in whichever language comes next."""
    position = 0
    while True:
        found = (
            query_english.find(text, visible, position),
            query_chinese.find(text, visible, position),
        )
        nearest = min((one for one in found if one), key=lambda one: one.start, default=None)
        if nearest is None:
            return
        yield nearest
        position = nearest.end


def _tidy(kept: list[str]) -> str:
    """Join what is left around the exclusions and drop the words that only led to them."""
    joined, gap = "", ""
    for part in kept:
        lead = _LOOSE_LEAD.match(part)
        body = _strip_tail(part[lead.end() :] if lead else part)
        if part is not kept[-1]:
            body = _PLACE_TAIL.sub("", body)
        separators = gap + (lead.group() if lead else "")
        gap = part[len(part.rstrip(" ,，、;；.。")) :]
        if not body or _FILLER.fullmatch(body):
            gap += separators
        elif not joined:
            joined = _PREPOSITION.sub("", body, count=1) if _PREPOSITION.match(body) else body
        else:
            joined += _joint(separators, joined, body[0]) + body
    return joined


def _joint(separators: str, left: str, right: str) -> str:
    """What stands between two wanted parts: 夜晚(没有人)的街道, but 一只(没戴帽子的)猫."""
    if separators == "的" and not left[-1].isascii():
        return "" if _COUNTED.search(left) else "的"
    if "," in separators or "，" in separators:
        return ", " if left[-1].isascii() and right.isascii() else " "
    return (
        ""
        if not separators.strip(" ") and " " not in separators and not left[-1].isascii()
        else " "
    )


def _strip_tail(part: str) -> str:
    before = None
    while before != part:
        before = part
        part = _LOOSE_TAIL.sub("", part)
    return part
