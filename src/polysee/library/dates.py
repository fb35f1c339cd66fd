"""What a person typed about time, taken out of a query: "beach last summer", 去年夏天 海边.

A model of pictures knows no dates; cameras write them. So words for a time are read here, by rule and
relative to today, become periods in which a picture has to be taken, and leave the query. What only looks
like a date stays: "may I", "spring roll", "Sunday roast", 五月天, 圣诞树. So do seasons and looks without
a year, "trees in autumn", 圣诞节: they can be seen.

Read in both languages: years, months, days, weeks, weekdays and weekends, by name or by distance from
today; early, mid and late; seasons and holidays, the lunar ones too, beside a year, "last", "at", 去年;
decades, halves and quarters; from ... to, since, before, after, 以前, 以后; "not from 2022", 不要去年的.

What is open is settled so: a month, weekday or holiday without a year is the latest that has begun; "last
summer" the latest that is over; "last week" the calendar's, "the past week" seven days; 10/5/2023 has the
month first. Several times are any of them: 2019年和2021年.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from polysee.library.dates_calendar import OLDEST, Atom, Period, at, latest
from polysee.library.dates_chinese import GRAMMAR as CHINESE
from polysee.library.dates_english import GRAMMAR as ENGLISH

FAR = timedelta(days=366)


@dataclass(frozen=True)
class Dated:
    """A query without its dates.

    Args:
        rest: the other words.
        periods: a picture has to be taken within one of them; none where nothing was said.
        excluded: and outside all of these.
    """

    rest: str
    periods: tuple[Period, ...] = ()
    excluded: tuple[Period, ...] = ()


_TO = re.compile(
    r"\s*(?:to|till|until|through|and|[-–—~～]|到|至|直到)\s*(?:the\s+|了)?", re.IGNORECASE
)
_FROM = re.compile(r"(?:\b(?:from|between)\s+(?:the\s+)?|[从從自])$", re.IGNORECASE)
_GLUE = re.compile(
    r"\s*(?:,|['’]s\b|的)?\s*(?:\b(?:of|in|on|at|during|over|around|the)\s+|在|里|，)*",
    re.IGNORECASE,
)
_ALSO = re.compile(
    r"\s*(?:,|and|or|&|和|与|與|或者?|、|以及|还有|/)\s*(?:in\s+|from\s+|在)?", re.IGNORECASE
)
_NOT = re.compile(
    r"(?:\b(?:but\s+)?(?:not|except(?:\s+for)?|excluding|without)(?:\s+(?:the\s+)?(?:ones|those|photos|pictures))?"
    r"(?:\s+taken)?(?:\s+(?:from|in|on|of|during|at))?\s+(?:the\s+)?|(?:但|而)?(?:不是|不要|别要|除了?|排除掉"
    r"?|去掉|(?<![有淹埋出沉吞覆湮隐隱泯])[没沒]有?(?=在)|(?:(?<![^\s，,。；;、])|[并並])非)(?:在)?)$",
    re.IGNORECASE,
)
_NOT_TAIL = re.compile(
    r"的?(?:照片|图片)?(?:[以之]外|外(?=$|[的拍，,。；;\s]))(?:拍?的)?|(?:拍|照)?的"
)
_EXCEPT_TAIL = re.compile(
    r"的?(?:照片|图片)?(?:[以之]外|除外)(?:拍?的)?"
)  # without a word before it
_AFTER = re.compile(
    r"\b(?P<word>since|after|later\s+than|newer\s+than|as\s+of|starting|from)\s+(?:the\s+)?$",
    re.IGNORECASE,
)
_SINCE = re.compile(r"[从從自打]$")
_BEFORE = re.compile(
    r"\b(?:before|until|till|prior\s+to|earlier\s+than|older\s+than|up\s+to|by)\s+(?:the\s+)?$",
    re.IGNORECASE,
)
_ONWARDS = re.compile(r"\s+(?:on|onwards?|and\s+(?:later|after)|or\s+(?:later|newer))\b|\s*(?:以后|以後|之后|"
        r"之後|以[来來]|至今|到现在|到現在|往后|起|开始|後|后(?![面边来院街海]))", re.IGNORECASE)  # fmt: skip
_EARLIER = re.compile(
    r"\s+(?:and|or)\s+(?:earlier|before|older)\b|\s*(?:以前|之前|前(?![面边后後往台院夕]))",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"(?:(?<![\w])(?:(?:that\s+|which\s+)?(?:i|we|were|was)\s+)?(?:(?:taken|took|shot|captured|made|dated|photographed"
    r"|snapped|back)\s+)?(?:(?:in|on|from|during|at|of|over|for|around|about|throughout|sometime)\s+)?(?:the\s+)?"
    r"|(?:我们?|我們|咱们?)?(?:[在于於从從是]|大?[约約])?)$",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"\s*(?:左右|前后|前後|附近)?(?:的时候|的時候|期间|期間|那年|那天|那时候?|时候|時候|时|當天|当天|[里裡](?="
    r"$|[拍的在\s,，])|间|份)?"
    r"(?:我们?|我們|咱们?)?(?:所?拍摄?的?|照的|拍下的|攝的)?的?"
)
_TAKEN = re.compile(r"(?:所?拍摄?的?|照的|拍下的|拍過的|拍过的)(?:照片|图片|相片|圖片)?$")


def read_dates(text: str, today: date, hidden: str | None = None) -> Dated:
    """Take the dates out of a query.

    Args:
        text: what was typed.
        today: what "last summer" is relative to.
        hidden: the same, equally long, with what is not to be read blanked out.
    Example:
        >>> read_dates("beach last summer", date(2024, 5, 1)).periods[0].start
        datetime.datetime(2023, 6, 1, 0, 0)
        >>> read_dates("去年夏天 海边", date(2024, 5, 1)).rest
        '海边'
        >>> read_dates("may I pet your spring roll", date(2024, 5, 1)).periods
        ()
    """
    visible = _plain_digits(text if hidden is None else hidden)
    found = [*ENGLISH.atoms(visible, today), *CHINESE.atoms(visible, today)]
    atoms = _joined(visible, _apart(found))
    spans = _spans(visible, atoms, today)
    if not spans:
        return Dated(text)
    kept, position = [], 0
    for span in spans:
        kept.append(text[position : span.begin])
        position = max(position, span.end)
    kept.append(text[position:])
    excluded = tuple(sorted(p for span in spans if span.excluded for p in span.periods))
    wanted = tuple(sorted(p for span in spans if not span.excluded for p in span.periods))
    return Dated(_tidy(kept), wanted, excluded)


def _plain_digits(text: str) -> str:
    return text.translate({ord("０") + n: str(n) for n in range(10)})


def _apart(found: Sequence[Atom]) -> list[Atom]:
    """Of expressions that overlap the longest, from left to right."""
    chosen: list[Atom] = []
    for atom in sorted(found, key=lambda one: (one.begin - one.end, not one.alone)):
        if all(atom.end <= other.begin or atom.begin >= other.end for other in chosen):
            chosen.append(atom)
    return sorted(chosen, key=lambda one: one.begin)


def _joined(visible: str, atoms: list[Atom]) -> list[Atom]:
    """Give each part of a year its year, where both stand side by side: 去年|夏天, summer|of 2022."""
    joined: list[Atom] = []
    for atom in atoms:
        last = joined[-1] if joined else None
        if last is not None and _GLUE.fullmatch(visible, last.end, atom.begin):
            pair = (last, atom) if last.part is None else (atom, last)
            year, part = pair
            if year.year is not None and part.part is not None and _whole_year(year):
                period = part.part(year.year)
                if period is not None:
                    joined[-1] = Atom(last.begin, atom.end, period=period, year=year.year)
                    continue
        joined.append(atom)
    return joined


def _whole_year(atom: Atom) -> bool:
    return atom.period is not None and (atom.period.end - atom.period.start).days >= 365


@dataclass(frozen=True)
class _Span:
    """What leaves the query, and what it meant; no period for what gave another its year."""

    begin: int
    end: int
    periods: tuple[Period, ...]
    excluded: bool = False


def _spans(visible: str, atoms: list[Atom], today: date) -> list[_Span]:
    spans: list[_Span] = []
    atoms = _with_distant_year(_listed(visible, atoms))
    while atoms:
        atom, atoms = atoms[0], atoms[1:]
        begin, end = atom.begin, atom.end
        period: Period | None
        floor = spans[-1].end if spans else 0
        if atoms and (gap := _TO.fullmatch(visible, end, atoms[0].begin)):
            period = _range(visible, floor, atom, atoms[0], gap.group(), today)
            if period is not None:
                end, atoms = atoms[0].end, atoms[1:]
                if found := _FROM.search(visible, floor, begin):
                    begin = found.start()
                spans.append(_finished(visible, floor, begin, end, (period,)))
                continue
        if not atom.alone and not _bounded(visible, floor, atom):
            continue
        if atom.year == 0:  # it gave its year to another
            spans.append(_finished(visible, floor, begin, end, ()))
            continue
        periods = _resolved(atom, today)
        if not periods:
            continue
        begin, end, periods = _opened(visible, floor, begin, end, periods)
        spans.append(_finished(visible, floor, begin, end, periods))
    return _with_conjunctions(visible, spans)


def _listed(visible: str, atoms: list[Atom]) -> list[Atom]:
    """A year in a list with one that is a date is a date: "2019 and 2021 photos"."""
    listed = list(atoms)
    for place in range(len(listed) - 2, -1, -1):
        one, other = listed[place : place + 2]
        if not _ALSO.fullmatch(visible, one.end, other.begin):
            continue
        if one.year is not None and other.year is not None and (one.alone or other.alone):
            listed[place : place + 2] = [replace(one, alone=True), replace(other, alone=True)]
        elif one.part is not None and other.year and not _whole_year(other):  # June and July 2021
            period = one.part(other.year)
            if period is not None:
                listed[place] = Atom(one.begin, one.end, period=period, year=other.year)
    return listed


def _bounded(visible: str, floor: int, atom: Atom) -> bool:
    """Whether "since", 以前 or the like makes a date of what is none by itself; years alone."""
    if atom.year is None:
        return False
    return bool(
        _AFTER.search(visible, floor, atom.begin) or _BEFORE.search(visible, floor, atom.begin)
    )


def _with_distant_year(atoms: list[Atom]) -> list[Atom]:
    """One year and parts that stand elsewhere: "2023 beach photos from October"."""
    given = [a for a in atoms if a.year is not None and a.alone and _whole_year(a)]
    parts = [a for a in atoms if a.part is not None and a.alone and not a.every]
    others = [a for a in atoms if a.period is not None and a not in given]
    if len(given) != 1 or not parts or others:
        return atoms
    (year,) = given
    settled = []
    for atom in atoms:
        if atom in parts and atom.part is not None:
            period = atom.part(year.year or 0)
            atom = replace(atom, part=None, period=period) if period is not None else atom
        elif atom is year:
            atom = replace(atom, year=0)
        settled.append(atom)
    return settled


def _range(
    visible: str, floor: int, first: Atom, second: Atom, gap: str, today: date
) -> Period | None:
    """From the beginning of one date to the end of another."""
    word = gap.strip().lower()
    led = _FROM.search(visible, floor, first.begin)
    if word == "and" and not (led and led.group().strip().lower() == "between"):
        return None
    if word in ("-", "–", "—") and not (first.year and second.year) and not first.part:
        return None
    year = first.year or second.year
    one, other = _settle(first, year, today), _settle(second, year, today)
    if one is None or other is None:
        return None
    if second.part is not None and other.end <= one.start:  # November 2022 to February
        later = second.part(one.start.year + 1)
        other = later if later is not None else other
    if first.part is not None and one.start >= other.end:
        earlier = first.part(other.start.year - 1)
        one = earlier if earlier is not None else one
    return Period(one.start, other.end) if one.start < other.end else None


def _settle(atom: Atom, year: int | None, today: date) -> Period | None:
    if atom.part is None:
        return atom.period
    return atom.part(year) if year else latest(atom.part, today)


def _resolved(atom: Atom, today: date) -> tuple[Period, ...]:
    if atom.part is None:
        return (atom.period,) if atom.period is not None else ()
    if atom.every:
        periods = (atom.part(year) for year in range(today.year - 60, today.year + 1))
        return tuple(period for period in periods if period is not None)
    period = latest(atom.part, today)
    return (period,) if period is not None else ()


def _opened(
    visible: str, floor: int, begin: int, end: int, periods: tuple[Period, ...]
) -> tuple[int, int, tuple[Period, ...]]:
    """ "since", "before", 以后 and 以前 open a period on one side."""
    first, last = at(date(OLDEST, 1, 1)), datetime(9999, 12, 31)  # noqa: DTZ001
    onwards = _ONWARDS.match(visible, end)
    lead = _AFTER.search(visible, floor, begin)
    if lead and lead["word"].lower() == "from" and not onwards:
        lead = None
    if lead or onwards:
        start = periods[0].start
        if lead and lead["word"].lower().startswith(("after", "later", "newer")):
            start = periods[0].end
        since = _SINCE.search(visible, floor, begin)
        begin = lead.start() if lead else since.start() if since else begin
        return begin, onwards.end() if onwards else end, (Period(start, last),)
    earlier = _EARLIER.match(visible, end)
    lead = _BEFORE.search(visible, floor, begin)
    if lead or earlier:
        stop = (
            periods[-1].end
            if lead and lead.group().lower().startswith(("up", "until", "till", "by"))
            else periods[0].start
        )
        return (
            lead.start() if lead else begin,
            earlier.end() if earlier else end,
            (Period(first, stop),),
        )
    return begin, end, periods


def _finished(visible: str, floor: int, begin: int, end: int, periods: tuple[Period, ...]) -> _Span:
    """Take along the words that only lead to a date."""
    if found := _NOT.search(visible, floor, begin):
        tail = _NOT_TAIL.match(visible, end)
        return _Span(found.start(), tail.end() if tail else end, periods, excluded=True)
    if tail := _EXCEPT_TAIL.match(visible, end):
        return _Span(begin, tail.end(), periods, excluded=True)
    lead, tail = _LEAD.search(visible, floor, begin), _TAIL.match(visible, end)
    return _Span(lead.start() if lead else begin, tail.end() if tail else end, periods)


def _with_conjunctions(visible: str, spans: list[_Span]) -> list[_Span]:
    """2019年|和|2021年: what joins two dates leaves with them, and "not" holds for both."""
    joined: list[_Span] = []
    for span in spans:
        if joined and _ALSO.fullmatch(visible, joined[-1].end, span.begin):
            span = replace(
                span, begin=joined[-1].end, excluded=span.excluded or joined[-1].excluded
            )
        joined.append(span)
    return joined


def _tidy(kept: Sequence[str]) -> str:
    """The other words, without what hangs loose where a date stood."""
    text = ""
    for part in kept:
        gap = (
            " "
            if text and part and text[-1].isascii() and part[0].isascii() and not text[-1].isspace()
            else ""
        )
        text += gap + part
    text = " ".join(text.split())
    text = re.sub(r"\s*([,;，；、])(?:\s*[,;，；、])+", r"\1", text)
    text = re.sub(r"\s+([,.;，。；、])", r"\1", text)
    text = re.sub(r"^[\s,.;:，。；、：·-]+|[\s,;:，；、：·-]+$", "", text)
    text = re.sub(r"\(\s*\)|（\s*）", "", text).strip()
    text = re.sub(r"^(?:in|at|on|near)\s+(?=\S)", "", text) if not kept[0].strip() else text
    shorter = _TAKEN.sub("", text)
    if shorter != text:
        text = re.sub(r"^(?:我们?|我們|咱们?)?(?:[在于於])?", "", shorter)
    placed = re.match(r"(?:我们?|我們)?[在于於](?=[\u3400-\u9fff])", text)
    if placed:  # 在青岛拍的海
        text = re.sub(r"(?:拍摄?|照)的(?=.)", "的", text[placed.end() :], count=1)
    return text.strip()
