"""English dates for `dates`: years, and parts of them."""

from __future__ import annotations

import re
from datetime import date, timedelta

from polysee.library.dates_calendar import (
    HOLIDAYS,
    Atom,
    Part,
    in_month,
    latest,
    months,
    of_this_year,
    season,
    upcoming,
    years,
)
from polysee.library.dates_english_words import (
    EARLY,
    GRAMMAR,
    MONTH,
    NAME,
    WHICH,
    YEAR,
    third_of,
    thirds,
)
from polysee.library.dates_grammar import fixed

_HOLIDAY = {
    r"christmas\s+eve": "christmas eve",
    r"(?:christmas(?:\s+(?:day|time|holidays?))?|christmastime|xmas|x-mas)": "christmas",
    r"(?:chinese|lunar)\s+new\s+year(?:['’]?s\s+eve)": "lunar eve",
    r"(?:(?:chinese|lunar)\s+new\s+year|cny|(?:the\s+)?spring\s+festival)": "spring festival",
    r"new\s+year['’]?s\s+eve": "new year's eve",
    r"new\s+year(?:['’]?s?(?:\s+day)?)?": "new year",
    r"valentine['’]?s?(?:\s+day)?": "valentine",
    r"(?:international\s+)?women['’]?s\s+day": "women",
    r"(?:st\.?|saint)\s+patrick['’]?s?(?:\s+day)?": "st patrick",
    r"april\s+fools?['’]?s?(?:\s+day)?": "fools",
    r"(?:qing\s?ming|ching\s+ming)(?:\s+festival)?|tomb[\s-]sweeping\s+day": "qingming",
    r"good\s+friday": "good friday",
    r"easter(?:\s+(?:sunday|monday|weekend|holidays?))?": "easter",
    r"(?:labour|may|workers['’]?)\s+day": "labour",
    r"labor\s+day(?:\s+weekend)?": "labor (US)",
    r"mother['’]?s['’]?\s+day": "mother",
    r"(?:international\s+)?children['’]?s\s+day": "children",
    r"father['’]?s['’]?\s+day": "father",
    r"(?:independence\s+day|(?:the\s+)?fourth\s+of\s+july)": "independence",
    r"(?:(?:chinese\s+)?national\s+day(?:\s+(?:holidays?|week))?|golden\s+week)": "national",
    r"hallowe['’]?en": "halloween",
    r"singles?['’]?s?\s+day": "singles",
    r"thanksgiving(?:\s+day)?": "thanksgiving",
    r"boxing\s+day": "boxing",
    r"lantern\s+festival": "lantern",
    r"dragon[\s-]boat\s+(?:festival|day)": "dragon boat",
    r"winter\s+solstice": "winter solstice",
    r"summer\s+solstice": "summer solstice",
    r"qixi(?:\s+festival)?": "qixi",
    r"mid[\s-]?autumn(?:\s+(?:festival|day))?|moon\s+festival": "mid-autumn",
    r"double\s+ninth(?:\s+festival)?": "double ninth",
    r"summer\s+(?:holidays?|vacation|break)": "summer holidays",
    r"winter\s+(?:holidays?|vacation|break)": "winter holidays",
}
# Nouns that carry a number which looks like a year, and those that a number counts.
_NUMBERED = re.compile(
    r"(?:\b(?:room|flight|number|no\.?|bus|route|highway|windows|office|page|model|size|train|line|gate|iphone"
    r"|ford|area|version|catch|title|about|over|nearly|almost|[a-z]*\d)|[#$€£¥.:/+\-])\s*$",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    r"[:.]\d|\s*[%°$€£¥]|(?:\s*-?\s*)(?:people|persons?|pieces?|dollars?|euros?|yuan|met(?:er|re)s?|miles?|km|m|kg|g|cm"
    r"|mm|px|pixels?|steps?|words?|feet|ft|k|cc|calories|stars|books?|copies|years?|days|hours|cars|islands|lakes"
    r"|trees|birds|a\s+space|leagues|maniacs)\b",
    re.IGNORECASE,
)
# After a name that is also another word, what shows that no month is meant.
_OTHER_WORD = re.compile(
    r"\s+(?:formation|madness|of\s+(?:time|dimes)|pole|flowers?|queen|tree|band|hare|past|on\b|through|i\b|we"
    r"\b|you\b|be\b)",
    re.IGNORECASE,
)


_LED_YEAR = re.compile(
    r"\b(?:in|since|until|till|before|after|from|during|through|between|year|circa|not)\s+$",
    re.IGNORECASE,
)

_rule = GRAMMAR.rule


def _chosen(match: re.Match[str], part: Part, today: date) -> Atom | None:
    """A part of the year with "last", "this", "next" or "every" before it."""
    which = " ".join(match["which"].lower().split())
    if which in ("every", "each"):
        return Atom(*match.span(), part=part, every=True)
    choose = {"this": of_this_year, "next": upcoming}.get(which)
    return fixed(match, choose(part, today) if choose else latest(part, today, over=True))


# -- parts of a year -------------------------------------------------------------------------------

_AMBIGUOUS = {"may", "march", "august", "april", "june"}
"""Months that are also other words or names."""


@_rule(rf"\b{EARLY}"
       rf"(?:(?:the\s+)?(?P<nth>first|second|third|fourth|last)\s+week\s+(?:of|in)\s+)?(?:"
       rf"{WHICH}\s+)?(?P<name>{NAME})(?!\w)")  # fmt: skip
def _month(match: re.Match[str], today: date) -> Atom | None:
    text, name = match.string, match["name"].lower().rstrip(".")
    part = thirds(match, in_month(MONTH[name]))
    rest = text[match.end() :]
    if match["nth"]:
        which = "first second third fourth last".split().index(match["nth"].lower())
        last = months(2023, MONTH[name]).end - timedelta(days=7)
        return Atom(
            *match.span(), part=in_month(MONTH[name], last.day if which == 4 else 7 * which + 1, 7)
        )
    if match["which"]:
        open_end = re.match(r"\s*(?:$|[,.;!?)]|['’]s|(?:in|at|on|with|of)\b)", rest, re.IGNORECASE)
        if name in _AMBIGUOUS and match["which"].lower() != "last" and not open_end:
            return None  # "this may be"
        return None if _OTHER_WORD.match(rest) else _chosen(match, part, today)
    before = text[: match.start()]
    led = re.search(r"\b(?:in|since|until|till|before|after|from|during|to|through|between|and|of|by)\s+(?:the"
        r"\s+)?$", before, re.I)  # fmt: skip
    other = _OTHER_WORD.match(rest) or re.match(r"['’]|\s+[A-Z][a-z]+$", rest)
    if match["third"]:
        alone = True
    elif name in _AMBIGUOUS or len(name) == 3:
        weak = re.search(r"\b(?:and|to|of|by|from|the)\s+(?:the\s+)?$", before, re.I)
        end = re.match(
            r"\s*(?:$|[,.;!?)]|(?:to|and|until|through|or|on|at|in|with|-)\b)", rest, re.I
        )
        alone = bool(
            led and not other and (not weak or end) and not before.lower().endswith("the ")
        )
        if name in ("march", "may") and re.search(r"\band\s+$", before, re.I):
            alone = False
    else:
        ends = not rest.strip(" .,;!?)") or re.match(
            r"\s*[,;(]|\s+(?:photos?|pictures?|pics)\b", rest, re.I
        )
        alone = bool(led or ends) and not other
    return Atom(*match.span(), part=part, alone=alone)


@_rule(rf"\b{EARLY}"
       rf"(?:{WHICH}\s+)?(?P<name>spring|summer|autumn|fall|winter)(?:time)?\b(?:['’]s\b)?(?!\s+"
       rf"(?:rolls?|onions?|break\b|holidays?|vacation|festival))")  # fmt: skip
def _season(match: re.Match[str], today: date) -> Atom | None:
    part = thirds(match, season(match["name"].lower()))
    if match["which"]:
        return _chosen(match, part, today)
    return Atom(*match.span(), part=part, alone=False)  # "trees in autumn" is what a picture shows


@_rule("|".join(
    rf"\b(?:(?P<lead{number}>at|on|over|during|around|since|until|before|after)\s+)?"
    rf"(?:(?P<which{number}>last|this(?:\s+past)?|next|past|previous|every|each)\s+)?(?:{pattern})(?:['’]s)?(?![\w-])"
    for number, pattern in enumerate(_HOLIDAY)
))  # fmt: skip
def _holiday(match: re.Match[str], today: date) -> Atom | None:
    begin, end = match.span()
    number = next(
        n for n, p in enumerate(_HOLIDAY) if re.search(rf"(?:{p})(?:['’]s)?$", match[0], re.I)
    )
    part = HOLIDAYS[list(_HOLIDAY.values())[number]]
    groups = match.groupdict()
    which = next((v for k, v in groups.items() if k.startswith("which") and v), "").lower()
    lead = next((v for k, v in groups.items() if k.startswith("lead") and v), "")
    if lead:  # it belongs to what stands before, as of every date
        begin += len(lead)
        begin += len(match.string[begin:]) - len(match.string[begin:].lstrip())
    if which in ("every", "each"):
        return Atom(begin, end, part=part, every=True)
    if which:
        choose = {"this": of_this_year, "next": upcoming}.get(" ".join(which.split()))
        period = choose(part, today) if choose else latest(part, today, over=True)
        return Atom(begin, end, period=period) if period else None
    noun = re.match(
        r"\s+(?:trees?|lights?|eggs?|cards?|cakes?|dinner|decorations?|parade|market|ornaments?|islands?|cost"
        r"umes?|tables?|turkey|pumpkins?|stockings?|pudding|bunny|basket|village)",
        match.string[end:],
    )
    return Atom(begin, end, part=part, alone=bool(lead) and not noun)


# -- years -----------------------------------------------------------------------------------------


@_rule(rf"\b{EARLY}(?:the\s+year\s+)?"
       rf"(?P<year>{YEAR})(?P<decade>['’]?s)?\b(?:['’]s\b)?")  # fmt: skip
def _year(match: re.Match[str], today: date) -> Atom | None:
    text, year = match.string, int(match["year"])
    before, rest = text[: match.start()], text[match.end() :]
    if match["decade"]:
        length = 100 if year % 100 == 0 and year < 2000 else 10
        whole = years(year, length)
        return fixed(match, third_of(match, whole)) if year % 10 == 0 else None
    if year > today.year + 1 or re.match(r"\s*年|-\d{1,2}\b|\w", rest):
        return None
    part = thirds(match, years)
    period = part(year)
    if match["third"]:
        return fixed(match, period)
    led = _LED_YEAR.search(before)
    edge = not before.strip() or not rest.strip(" .,;!?)") or before.rstrip().endswith((",", "("))
    odd = _NUMBERED.search(before) or _COUNTED.match(rest)
    return Atom(*match.span(), period=period, year=year, alone=bool(led or edge) and not odd)


@_rule(r"(?<=\s)['’](?P<year>\d\d)\b(?!['’]?s)")
def _short_year(match: re.Match[str], today: date) -> Atom | None:
    value = int(match["year"])
    year = 2000 + value if 2000 + value <= today.year else 1900 + value
    return Atom(*match.span(), period=years(year), year=year, alone=False)


@_rule(r"\b(?:the\s+)?(?:(?P<third>early|mid|late)[\s-]+)?(?:['’]?(?P<digits>[1-9]0)['’]?s"
       r"|(?P<word>twenties|thirties|forties|fifties|sixties|seventies|eighties|nineties))\b")  # fmt: skip
def _decade(match: re.Match[str], today: date) -> Atom | None:
    words = "twenties thirties forties fifties sixties seventies eighties nineties".split()
    word = match["word"]
    decade = 20 + 10 * words.index(word.lower()) if word else int(match["digits"])
    led = re.match(r"the\s|['’]", match[0], re.I)
    if not led:
        return None  # "a man in his thirties", "70s style"
    if re.match(r"\s+(?:style|music|hair|fashion|costume)", match.string[match.end() :], re.I):
        return None
    first = 2000 + decade if decade <= today.year - 2000 and decade < 30 else 1900 + decade
    return fixed(match, third_of(match, years(first, 10)))


@_rule(rf"\b(?:the\s+)?(?P<nth>first|second)\s+half\s+of\s+(?:the\s+year\s+)?(?P<year>{YEAR}|last\s+year|this"
       rf"\s+year)\b"
       rf"|\bQ(?P<quarter>[1-4])(?:\s+(?:of\s+)?(?P<year2>{YEAR}))?\b")  # fmt: skip
def _share(match: re.Match[str], today: date) -> Atom | None:
    if match["quarter"]:
        first = 3 * int(match["quarter"]) - 2
        if match["year2"]:
            return fixed(match, months(int(match["year2"]), first, 3))
        return Atom(*match.span(), part=lambda year: months(year, first, 3), alone=False)
    said = match["year"].lower()
    year = int(said) if said.isdigit() else today.year - said.startswith("last")
    return fixed(match, months(year, 1 if match["nth"].lower() == "first" else 7, 6))
