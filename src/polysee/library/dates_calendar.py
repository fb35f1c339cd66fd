"""Years, months, seasons and holidays as stretches of time; what both grammars of `dates` share.

Seasons are those of the northern hemisphere and of meteorologists: summer is June to August, and the
winter of a year begins in its December. Lunar holidays come from `borax`.
"""

from __future__ import annotations

from calendar import MONDAY, SUNDAY, THURSDAY
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from borax.calendars.lunardate import LunarDate
from dateutil.easter import easter

OLDEST = 1826  # the first photograph
DAY = timedelta(days=1)


@dataclass(frozen=True, order=True)
class Period:
    """A stretch of local time.

    Args:
        start: its first moment.
        end: the first moment after it.
    """

    start: datetime
    end: datetime


Part = Callable[[int], Period | None]
"""A part of the year, such as October or the Spring Festival; None in a year that is without it."""


@dataclass(frozen=True)
class Atom:
    """One expression of time in a text.

    Args:
        begin, end: the characters that say it.
        period: what it means, where it says all by itself.
        year: the year, where it gives a part that stands near its year.
        part: the part of a year, where it says that alone.
        alone: whether it is a date even where no other stands beside it: "summer" is none.
        every: whether every year's part is meant.
    """

    begin: int
    end: int
    period: Period | None = None
    year: int | None = None
    part: Part | None = None
    alone: bool = True
    every: bool = False


def at(day: date) -> datetime:
    """The moment at which a day begins."""
    return datetime.combine(day, time())


def days(first: date, count: int = 1) -> Period:
    """A day, or several."""
    return Period(at(first), at(first + count * DAY))


def years(first: int, count: int = 1) -> Period:
    """
    Example:
        >>> years(2023).end
        datetime.datetime(2024, 1, 1, 0, 0)
    """
    return Period(datetime(first, 1, 1), datetime(first + count, 1, 1))  # noqa: DTZ001


def months(year: int, month: int, count: int = 1) -> Period:
    """Months; `month` may lie outside 1-12, and is then another year's.

    Example:
        >>> months(2024, 0).start
        datetime.datetime(2023, 12, 1, 0, 0)
    """

    def first(number: int) -> datetime:
        years_on, place = divmod(number - 1, 12)
        return datetime(year + years_on, place + 1, 1)  # noqa: DTZ001

    return Period(first(month), first(month + count))


def third(whole: Period, which: int) -> Period:
    """The beginning (0), middle (1) or end (2) of a period, in whole days; of a month ten days each."""
    length = (whole.end - whole.start).days // 3
    bounds = [
        whole.start,
        whole.start + length * DAY,
        whole.start + 2 * length * DAY,
        whole.end,
    ]
    return Period(bounds[which], bounds[which + 1])


def in_month(month: int, first: int = 1, count: int | None = None) -> Part:
    """A month of a year, or days in it."""

    def part(year: int) -> Period | None:
        if count is None:
            return months(year, month)
        try:
            return days(date(year, month, first), count)
        except ValueError:  # 29 February
            return None

    return part


SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}


def season(name: str) -> Part:
    """
    Example:
        >>> season("winter")(2022).end
        datetime.datetime(2023, 3, 1, 0, 0)
    """
    return lambda year: months(year, SEASONS[name], 3)


def lunar(month: int, day: int, count: int = 1, before: int = 0) -> Part:
    """Days of the Chinese calendar.

    Args:
        before: so many days earlier; the eve of the new year is a day before its first.
    """

    def part(year: int) -> Period | None:
        try:
            first: date = LunarDate(year, month, day, 0).to_solar_date()
        except (ValueError, OverflowError):
            return None
        return days(first - before * DAY, count)

    return part


def _nth(month: int, weekday: int, which: int, *, before: int = 0) -> Part:
    """The `which`-th such weekday of a month, and so many days before it."""

    def part(year: int) -> Period:
        first = date(year, month, 1)
        day = first + ((weekday - first.weekday()) % 7 + 7 * (which - 1)) * DAY
        return days(day - before * DAY, before + 1)

    return part


def _easter(offset: int = 0, count: int = 1) -> Part:
    return lambda year: days(easter(year) + offset * DAY, count)


def _term(month: int, old: float, new: float) -> Part:
    """A solar term, which moves by a day or two with the leap years.

    Args:
        old, new: where in the month it lay in 1900 and in 2000.
    """

    def part(year: int) -> Period:
        since, first = (year - 2000, new) if year >= 2000 else (year - 1900, old)
        return days(date(year, month, int(since * 0.2422 + first) - since // 4))

    return part


HOLIDAYS: dict[str, Part] = {
    "new year": in_month(1, 1, 1),
    "new year's eve": in_month(12, 31, 1),
    "valentine": in_month(2, 14, 1),
    "women": in_month(3, 8, 1),
    "arbor": in_month(3, 12, 1),
    "st patrick": in_month(3, 17, 1),
    "fools": in_month(4, 1, 1),
    "qingming": _term(4, 5.59, 4.81),
    "summer solstice": _term(6, 22.20, 21.37),
    "winter solstice": _term(12, 22.60, 21.94),
    "easter": _easter(-2, 4),  # Good Friday to Easter Monday
    "good friday": _easter(-2),
    "labour": in_month(5, 1, 5),
    "labor (US)": _nth(9, MONDAY, 1, before=2),
    "youth": in_month(5, 4, 1),
    "mother": _nth(5, SUNDAY, 2),
    "children": in_month(6, 1, 1),
    "father": _nth(6, SUNDAY, 3),
    "independence": in_month(7, 4, 1),
    "teachers": in_month(9, 10, 1),
    "national": in_month(10, 1, 7),
    "halloween": in_month(10, 31, 1),
    "singles": in_month(11, 11, 1),
    "thanksgiving": _nth(11, THURSDAY, 4),
    "christmas": in_month(12, 24, 3),
    "christmas eve": in_month(12, 24, 1),
    "boxing": in_month(12, 26, 1),
    "spring festival": lunar(1, 1, 8, before=1),  # from the eve to the seventh day
    "lunar eve": lunar(1, 1, before=1),
    "lantern": lunar(1, 15),
    "lantern day": lunar(1, 15),
    "dragon boat": lunar(5, 5),
    "qixi": lunar(7, 7),
    "mid-autumn": lunar(8, 15),
    "double ninth": lunar(9, 9),
    "laba": lambda year: lunar(12, 8)(year - 1),  # the lunar December lies in the next January
    "summer holidays": lambda year: months(year, 7, 2),
    "winter holidays": lambda year: Period(at(date(year, 1, 10)), at(date(year, 3, 1))),
}


def week(today: date, ago: int = 0) -> Period:
    """A calendar week, Monday to Sunday."""
    return days(today - (today.weekday() + 7 * ago) * DAY, 7)


def weekend(today: date, ago: int = 0) -> Period:
    """The Saturday and Sunday of a calendar week."""
    return days(today + (5 - today.weekday() - 7 * ago) * DAY, 2)


def latest(part: Part, today: date, *, over: bool = False) -> Period | None:
    """The most recent of a part of the year that has begun; with `over`, that has passed.

    Example:
        >>> latest(season("summer"), date(2024, 5, 1)).start
        datetime.datetime(2023, 6, 1, 0, 0)
    """
    now = at(today)
    for year in range(today.year, today.year - 9, -1):  # 29 February: eight years at most
        period = part(year)
        if period is not None and (period.end <= now if over else period.start <= now):
            return period
    return None


def of_this_year(part: Part, today: date) -> Period | None:
    """This year's; of one that reaches over the new year, the one that is under way."""
    under_way = part(today.year - 1)
    if under_way is not None and under_way.start <= at(today) < under_way.end:
        return under_way
    return part(today.year)


def upcoming(part: Part, today: date) -> Period | None:
    """The next that has not begun."""
    periods = (part(year) for year in range(today.year, today.year + 9))
    return next((p for p in periods if p is not None and p.start > at(today)), None)


HOURS = {"morning": (5, 12), "afternoon": (12, 18), "evening": (17, 24), "night": (18, 30)}


def part_of_day(day: date, name: str) -> Period:
    """The morning, afternoon, evening or night of a day; without a name, all of it."""
    first, last = HOURS.get(name.lower(), (0, 24))
    return Period(at(day) + timedelta(hours=first), at(day) + timedelta(hours=last))


def distance(span: tuple[int, int], today: date, ago: int, unit: str) -> Atom | None:
    """The day, week, weekend, month or year that lies so far back."""
    if unit == "year":
        year = today.year - ago
        return Atom(*span, period=years(year), year=year) if year >= OLDEST else None
    periods = {
        "day": lambda: days(today - ago * DAY),
        "week": lambda: week(today, ago),
        "weekend": lambda: weekend(today, ago),
        "month": lambda: months(today.year, today.month - ago),
    }
    return Atom(*span, period=periods[unit]())


def back(today: date, count: int, unit: str) -> Period:
    """From so long ago until the end of today."""
    whole = {"day": 1, "week": 7, "weekend": 7}
    if unit in whole:
        first = today - count * whole[unit] * DAY
    else:
        start = months(today.year, today.month - count * (12 if unit == "year" else 1)).start.date()
        longest = (months(start.year, start.month).end.date() - start).days
        first = start + (min(today.day, longest) - 1) * DAY
    return Period(at(first), at(today + DAY))
