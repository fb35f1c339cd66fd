"""The words of English dates, and the grammar that the modules beside this one fill."""

from __future__ import annotations

import re

from polysee.library.dates_calendar import (
    Part,
    Period,
)
from polysee.library.dates_grammar import Grammar, cut

MONTHS = "january february march april may june july august september october november december"
MONTH = {name: number for number, name in enumerate(MONTHS.split(), 1)}
MONTH |= {name[:3]: number for name, number in MONTH.items()} | {"sept": 9}
WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
WEEKDAY = {name: number for number, name in enumerate(WEEKDAYS)}
WEEKDAY |= {name[:3]: number for name, number in WEEKDAY.items()}
WEEKDAY |= {"tues": 1, "weds": 2, "thur": 3, "thurs": 3}
NUMBER = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve".split()
    )
} | {"a": 1, "an": 1, "couple": 2, "a couple of": 2, "a couple": 2, "few": 3, "a few": 3}
THIRD = {
    "early": 0,
    "beginning of": 0,
    "start of": 0,
    "mid": 1,
    "middle of": 1,
    "late": 2,
    "end of": 2,
}
COUNT = (
    r"(?P<count>\d{1,3}|a\s+couple\s+of|a\s+couple|couple|a\s+few|few|an?|"
    + "|".join(list(NUMBER)[1:13])
    + ")"
)
NAME = "(?:" + "|".join(sorted(MONTH, key=len, reverse=True)) + r")\b\.?"
DAYNAME = "(?:" + "|".join(sorted(WEEKDAY, key=len, reverse=True)) + r")\b"
YEAR = r"(?:1[89]\d\d|20\d\d)"
NTH = r"(?:3[01]|[12]\d|0?[1-9])"
WHICH = r"(?P<which>last|this(?:\s+past)?|next|past|previous|every|each)"
UNIT = r"(?P<unit>day|week|weekend|month|year)"

EARLY = r"(?:(?P<third>early|mid|late|(?:the\s+)?(?:beginning|start|middle|end)\s+of)[\s-]+)?"


GRAMMAR = Grammar(re.IGNORECASE | re.VERBOSE)


def count(match: re.Match[str]) -> int:
    said = " ".join(match["count"].lower().split())
    return int(said) if said.isdigit() else NUMBER[said]


def third_of(match: re.Match[str], whole: Period) -> Period:
    return thirds(match, lambda _: whole)(0) or whole


def thirds(match: re.Match[str], part: Part) -> Part:
    if not match["third"]:
        return part
    which = THIRD[re.sub(r"^the\s+", "", " ".join(match["third"].lower().split()))]
    return cut(part, which)
