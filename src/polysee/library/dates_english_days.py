"""English dates for `dates`: days, and times by their distance from today."""

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
    months,
    part_of_day,
    season,
    week,
    weekend,
)
from polysee.library.dates_english_words import (
    COUNT,
    DAYNAME,
    EARLY,
    GRAMMAR,
    MONTH,
    NAME,
    NTH,
    UNIT,
    WEEKDAY,
    WHICH,
    YEAR,
    count,
    third_of,
)
from polysee.library.dates_grammar import fixed

_rule = GRAMMAR.rule


# -- days ------------------------------------------------------------------------------------------


@_rule(r"\b(?:(?P<before>the\s+day\s+before\s+yesterday)|(?P<last>last\s+night)|(?P<this>this\s+(?:morning|aft"
       r"ernoon|evening)"
       r"|earlier\s+today)|(?P<word>(?<!usa\s)today|yesterday))\b(?:\s+(?P<time>morning|afternoo"
       r"n|evening|night)\b)?")  # fmt: skip
def _day(match: re.Match[str], today: date) -> Atom | None:
    if match["last"]:
        evening = at(today) - timedelta(hours=6)
        return fixed(match, Period(evening, at(today) + timedelta(hours=6)))
    ago = 2 if match["before"] else int((match["word"] or "").lower() == "yesterday")
    said = match["time"] or (match["this"] or "").split()[-1:] or ""
    return fixed(match, part_of_day(today - ago * DAY, said if isinstance(said, str) else said[0]))


@_rule(rf"\b{WHICH}\s+(?P<day>{DAYNAME})(?!\s+(?:roast|best|school))|\bon\s+(?:a\s+)?(?P<bare>{DAYNAME})"
       rf"(?P<plural>s?)\b"
       rf"(?!\s+(?:roast|best|school))|\b(?P<named>{DAYNAME})\s+(?:of\s+)?last\s+week\b")  # fmt: skip
def _weekday(match: re.Match[str], today: date) -> Atom | None:
    weekday = WEEKDAY[(match["day"] or match["bare"] or match["named"]).lower()]
    if match["named"]:
        return fixed(match, days(week(today, 1).start.date() + weekday * DAY))
    since = (today.weekday() - weekday) % 7
    which = (match["which"] or "").lower()
    if which != "last" and (match["day"] or match["bare"] or "").lower() in ("sun", "sat", "mon"):
        return None  # "lying on sun"
    if which in ("every", "each") or match["plural"]:
        return None
    if which == "next":
        return fixed(match, days(today + (7 - since) * DAY))
    if which == "this":
        return fixed(match, days(week(today).start.date() + weekday * DAY))
    return fixed(match, days(today - ((since or 7) if which else since) * DAY))


@_rule(rf"(?:\b{DAYNAME},?\s+)?\b(?P<name>{NAME})\s*(?P<day>{NTH})(?:st|nd|rd|th)?\b(?![:.]?\d)(?:\s*[-–]\s*"
       rf"(?P<until>{NTH})(?:st|nd|rd|th)?\b)?"
       rf"(?:(?:\s*,\s*|\s+)(?P<year>{YEAR})\b)?"
       rf"|(?:\b{DAYNAME},?\s+)?\b(?:the\s+)?(?P<day2>{NTH})(?:st|nd|rd|th)?\s+(?:of\s+)?"
       rf"(?P<name2>{NAME})(?:(?:\s*,\s*|\s+)(?:of\s+)?(?P<year2>{YEAR})\b)?")  # fmt: skip
def _month_day(match: re.Match[str], today: date) -> Atom | None:
    name = (match["name"] or match["name2"]).lower().rstrip(".")
    day, year = int(match["day"] or match["day2"]), match["year"] or match["year2"]
    count = max(1, int(match["until"]) - day + 1) if match["until"] else 1
    if year:
        period = days(date(int(year), MONTH[name], day), count)
        return Atom(*match.span(), period=period, year=int(year))
    date(2024, MONTH[name], day)  # is there such a day?
    if (
        name in ("may", "march")
        and re.match(r"\d+\s", match[0])
        and match.string[match.end() :].strip()
    ):
        return None  # "3 march through town"
    return Atom(*match.span(), part=in_month(MONTH[name], day, count))


@_rule(rf"(?<![\d./-])(?P<year>{YEAR})(?P<mark>[-/.])(?P<month>0?[1-9]|1[0-2])(?:(?P=mark)(?P<day>{NTH}))?(?!"
       rf"[\d/-]|\.\d)(?:\s+\d\d?:\d\d(?::\d\d)?)?"
       rf"|(?<![\d./-])(?P<a>\d?\d)(?P<mark2>[-/.])(?P<b>\d?\d)(?P=mark2)(?P<year2>{YEAR})(?![\d/-]|\.\d)"
       rf"|(?<![\d./-])(?P<month3>0?[1-9]|1[0-2])/(?P<year3>{YEAR})(?![\d/-]|\.\d)"
       rf"|(?<!\w)(?P<compact>20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?!\w)")  # fmt: skip
def _numeric(match: re.Match[str], today: date) -> Atom | None:
    if match["compact"]:
        return fixed(match, days(date.fromisoformat(match["compact"])))
    if match["a"]:
        month, day = int(match["a"]), int(match["b"])
        if month > 12 or match["mark2"] == ".":  # 25/12/2023, and 5.10.2023 as in Europe
            month, day = day, month
        return fixed(match, days(date(int(match["year2"]), month, day)))
    year, month = int(match["year"] or match["year3"]), int(match["month"] or match["month3"])
    if match["day"]:
        return fixed(match, days(date(year, month, int(match["day"]))))
    if match["mark"] == ".":
        return None  # 2023.10 is as often a number
    return Atom(*match.span(), period=months(year, month), year=year)


# -- weeks, months, years by their distance ----------------------------------------------------------


@_rule(rf"\b{EARLY}(?:the\s+)?{WHICH}\s+{UNIT}\b(?!\s+before\s+last)(?:['’]s\b)?"
       rf"|\b(?:the\s+)?(?P<unit2>week|weekend|month|year)\s+before\s+last\b|\b(?:over|at|on)\s+t"
       rf"he\s+(?P<plain>weekend)\b")  # fmt: skip
def _unit(match: re.Match[str], today: date) -> Atom | None:
    if match["plain"]:
        begun = weekend(today).start <= at(today)
        return fixed(match, weekend(today, 0 if begun else 1))
    unit = (match["unit"] or match["unit2"]).lower()
    which = " ".join((match["which"] or "").lower().split())
    ago = 2 if match["unit2"] else {"next": -1, "this": 0, "this past": 1}.get(which, 1)
    if which in ("every", "each"):
        return None
    if which in ("past",) and unit != "weekend":
        return fixed(match, back(today, 1, unit))
    if unit == "day":
        return fixed(match, back(today, 1, unit)) if "'" not in match[0] else None
    found = distance(match.span(), today, ago, unit)
    if found is None or found.period is None or not match["third"]:
        return found
    return fixed(match, third_of(match, found.period))


@_rule(
    rf"\b(?:(?:within|in|over|during)\s+)?(?:the\s+)?(?:last|past|previous)\s+{COUNT}\s+{UNIT}s?\b"
)
def _stretch(match: re.Match[str], today: date) -> Atom | None:
    return fixed(match, back(today, count(match), match["unit"].lower()))


@_rule(rf"\b(?:about\s+|around\s+)?{COUNT}\s+{UNIT}s?\s+(?:ago|back)\b")
def _ago(match: re.Match[str], today: date) -> Atom | None:
    return distance(match.span(), today, count(match), match["unit"].lower())


@_rule(rf"\b(?:{COUNT}\s+(?P<name>springs?|summers?|autumns?|falls?|winters?|christmas(?:es)?)\s"
       rf"+ago|(?:the\s+)?(?P<name2>spring|summer|autumn|fall|winter|christmas)\s+before\s+last)\b")  # fmt: skip
def _parts_ago(match: re.Match[str], today: date) -> Atom | None:
    name = (match["name"] or match["name2"]).lower()
    plain = "christmas" if name.startswith("christmas") else name.removesuffix("s")
    part = HOLIDAYS[plain] if plain == "christmas" else season(plain)
    last = latest(part, today, over=True)
    ago = count(match) if match["name"] else 2
    return fixed(match, part(last.start.year - ago + 1) if last is not None else None)


@_rule(r"\b(?:(?:around|about)\s+)?this\s+(?:time|day)\s+last\s+year\b")
def _anniversary(match: re.Match[str], today: date) -> Atom | None:
    around = 0 if "day" in match[0].lower() else 10
    return fixed(
        match, days(date(today.year - 1, today.month, today.day) - around * DAY, 2 * around + 1)
    )


@_rule(
    rf"\b(?P<how>older|earlier|more|newer|later|less|fewer)\s+than\s+{COUNT}\s+{UNIT}s?(?:\s+(?:old|ago))?\b"
)
def _older(match: re.Match[str], today: date) -> Atom | None:
    recent = back(today, count(match), match["unit"].lower())
    how = match["how"].lower()
    if how in ("more", "less", "fewer") and not match[0].lower().endswith(("ago", "old")):
        return None
    if how in ("older", "earlier", "more"):
        return fixed(match, Period(at(date(OLDEST, 1, 1)), recent.start))
    return fixed(match, recent)


@_rule(
    r"(?:(?<=^)|(?<=\bmy\ )|(?<=\bmost\ ))recent(?=\s+(?:photos?|pictures?|pics|images?|shots)\b)|\brecently\b"
)
def _recent(match: re.Match[str], today: date) -> Atom | None:
    return fixed(match, back(today, 30, "day"))
