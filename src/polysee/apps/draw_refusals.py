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
    "色情", "裸体", "裸照", "全裸", "赤裸", "性交", "做爱", "强奸", "淫秽", "生殖器", "阴茎", "阴道", "血腥", "斩首",
    "肢解", "虐待", "酷刑", "自杀", "自残", "纳粹", "希特勒",
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
