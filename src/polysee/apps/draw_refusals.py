"""What is not drawn, in either language.

A list of words is a low fence: it keeps a toy from being asked for the worst by name, no more.
"""

from __future__ import annotations

import re

from polysee.errors import QueryError

_ENGLISH = (
    "porn", "pornography", "pornographic", "nude", "nudes", "naked", "nudity", "sex", "sexual", "nsfw", "hentai",
    "rape", "genitals", "penis", "vagina", "gore", "beheading", "beheaded", "dismembered", "mutilated", "torture",
    "suicide", "self-harm", "swastika", "nazi", "hitler",
)  # fmt: skip
_CHINESE = (
    "色情", "裸体", "裸體", "裸照", "[全半]裸(?!眼)", "赤裸(?!裸(?:$|的?真))", "裸[男女](?![鞋贞貞])", "强奸", "強姦",
    "淫秽", "淫穢", "生殖器", "阴茎", "陰莖", "血腥", "斩首", "斬首", "肢解", "虐待", "酷刑", "自杀", "自殺", "自残",
    "自殘", "纳粹", "納粹", "希特勒",
    # 男性交警, 男性交易员, 异性交往, 女性交出; 做爱心便当; 林阴道
    "性交(?!易[员員所價]|[警通流往际際给給叉換换谈談谊誼接涉出代友付还還替融汇匯错錯战戰手])",
    "做[爱愛](?![心吃好国國护護])", "(?<![林树樹绿綠])[阴陰]道",
)  # fmt: skip
_REFUSED = re.compile(rf"\b(?:{'|'.join(_ENGLISH)})\b|{'|'.join(_CHINESE)}", re.IGNORECASE)


def refuse(prompt: str) -> None:
    """Let a prompt pass, or say that it is not drawn.

    Raises:
        QueryError: it names something that is not drawn here.
    Example:
        >>> refuse("a naked mole-rat")
        Traceback (most recent call last):
        polysee.errors.QueryError: this is not drawn here: naked
    """
    found = _REFUSED.search(prompt)
    if found:
        raise QueryError(f"this is not drawn here: {found.group()}")
