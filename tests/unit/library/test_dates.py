"""Dates in a query: the phrases of the benchmark, and what people type around them."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from benchmarks.dates import NO_DATES, PHRASES, TODAY
from hypothesis import given, settings
from hypothesis import strategies as st

from polysee.library.dates import read_dates
from polysee.library.dates_calendar import HOLIDAYS, latest


def said(text: str, today: date = TODAY) -> list[tuple[str, str]]:
    """The periods that were understood, first and last day."""
    return [
        (str(p.start.date()), str((p.end - timedelta(seconds=1)).date()))
        for p in read_dates(text, today).periods
    ]


@pytest.mark.parametrize("phrase", PHRASES)
def test_it_is_read(phrase: str) -> None:
    first, last, rest = PHRASES[phrase]
    assert said(phrase) == [(first, last)]
    assert read_dates(phrase, TODAY).rest == rest


@pytest.mark.parametrize("phrase", [*NO_DATES, "", "a cat", "海边的日落", "2000米", "《五月》"])
def test_what_only_looks_like_a_date_stays(phrase: str) -> None:
    read = read_dates(phrase, TODAY, phrase.replace("五月》", "\ue000\ue000》"))
    assert (read.rest, read.periods, read.excluded) == (phrase, (), ())


def test_quotes_are_left_alone() -> None:
    from polysee.library.query import hide_quoted

    text = 'the poster "last summer"'
    assert read_dates(text, TODAY, hide_quoted(text)).periods == ()


OPEN = datetime(9999, 12, 31)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("phrase", "start", "end"),
    [
        ("since 2020", "2020-01-01", None),
        ("2020年以后", "2020-01-01", None),
        ("after October 2022", "2022-11-01", None),
        ("从去年开始", "2023-01-01", None),
        ("before 2015", None, "2015-01-01"),
        ("2015年以前", None, "2015-01-01"),
        ("until last summer", None, "2023-09-01"),
        ("older than 2 years", None, "2022-05-15"),
    ],
)
def test_open_periods(phrase: str, start: str | None, end: str | None) -> None:
    (period,) = read_dates(phrase, TODAY).periods
    assert period.start == (datetime.fromisoformat(start) if start else datetime(1826, 1, 1))  # noqa: DTZ001
    assert period.end == (datetime.fromisoformat(end) if end else OPEN)


@pytest.mark.parametrize(
    ("phrase", "rest"),
    [
        ("dogs, not from 2022", "dogs"),
        ("不要2022年的照片", "照片"),
        ("除了2022年以外的照片", "照片"),
        ("2022年以外的照片", "照片"),
        ("除2022年外的照片", "照片"),
        ("2022年除外", ""),
        ("并非2022年拍的照片", "照片"),
        ("不要2022年外滩的照片", "外滩的照片"),
        ("非2022年", ""),
        ("没有在2022年拍的猫", "猫"),
        ("dogs except 2022", "dogs"),
    ],
)
def test_negated_dates(phrase: str, rest: str) -> None:
    read = read_dates(phrase, TODAY)
    assert read.periods == ()
    assert [p.start.year for p in read.excluded] == [2022]
    assert read.rest == rest


def test_several_dates_are_any_of_them() -> None:
    assert said("2019年和2021年") == [("2019-01-01", "2019-12-31"), ("2021-01-01", "2021-12-31")]
    assert said("june and july 2021") == [
        ("2021-06-01", "2021-06-30"),
        ("2021-07-01", "2021-07-31"),
    ]
    every = said("每年春节")
    assert ("2024-02-09", "2024-02-16") in every
    assert ("2023-01-21", "2023-01-28") in every


def test_a_year_that_stands_elsewhere() -> None:
    assert said("2022 beach photos from October") == [("2022-10-01", "2022-10-31")]


@pytest.mark.parametrize(
    ("today", "phrase", "start"),
    [
        ("2024-01-10", "last winter", "2022-12-01"),  # this one is not over
        ("2024-01-10", "this winter", "2023-12-01"),
        ("2024-01-10", "last month", "2023-12-01"),
        ("2024-03-31", "一个月前", "2024-02-01"),
        ("2024-02-29", "去年今日", None),  # there was no such day
        ("2024-05-13", "yesterday", "2024-05-12"),
        ("2024-01-01", "last weekend", "2023-12-30"),
        ("2024-12-31", "on new year's eve", "2024-12-31"),
    ],
)
def test_it_depends_on_today(today: str, phrase: str, start: str | None) -> None:
    read = said(phrase, date.fromisoformat(today))
    assert (start is None and (not read or read[0][0] == "2023-01-01")) or read[0][0] == start


def test_lunar_and_moving_holidays() -> None:
    known = {  # from almanacs
        "spring festival": {2021: "2021-02-11", 2023: "2023-01-21", 2033: "2033-01-30"},
        "mid-autumn": {2020: "2020-10-01", 2022: "2022-09-10", 2025: "2025-10-06"},
        "dragon boat": {2021: "2021-06-14", 2024: "2024-06-10"},
        "qingming": {2020: "2020-04-04", 2023: "2023-04-05", 1990: "1990-04-05"},
        "easter": {2023: "2023-04-07", 2024: "2024-03-29"},
        "thanksgiving": {2021: "2021-11-25", 2024: "2024-11-28"},
        "mother": {2024: "2024-05-12"},
    }
    for name, years in known.items():
        for year, first in years.items():
            period = HOLIDAYS[name](year)
            assert period is not None
            assert str(period.start.date()) == first, (name, year)


def test_every_holiday_is_near_every_day() -> None:
    for part in HOLIDAYS.values():
        found = latest(part, TODAY)
        assert found is not None
        assert timedelta() <= datetime(2024, 5, 15) - found.start < timedelta(days=400)  # noqa: DTZ001


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            (
                "last next this in of may 2023 10 summer 去年 前年 春节 月 年 日 5 的 以前 到 "
                "to and not since , - beach 海边 ago days"
            ).split()
        ),
        max_size=9,
    ),
    st.dates(date(1950, 1, 1), date(2090, 12, 31)),
)
def test_any_words_have_an_answer(words: list[str], today: date) -> None:
    for text in (" ".join(words), "".join(words)):
        read = read_dates(text, today)
        assert all(period.start < period.end for period in (*read.periods, *read.excluded))
        if not read.periods and not read.excluded:
            assert read.rest == text


@pytest.mark.parametrize("word", ["底", "年底", "末"])
def test_the_end_of_a_year_without_its_word(word: str) -> None:
    (period,) = read_dates(f"去年{word}的雪", TODAY).periods
    assert (period.start.month, period.end.month) == (11, 1)


@pytest.mark.parametrize(
    "phrase",
    ["有没有2022年的照片", "有没有在2022年拍的照片", "南非2022年的照片", "沉没在1912年的船"],
)
def test_what_only_looks_negated_excludes_nothing(phrase: str) -> None:
    read = read_dates(phrase, TODAY)
    assert read.excluded == ()
    assert len(read.periods) == 1


@pytest.mark.parametrize(
    ("phrase", "rest"),
    [
        ("今年初中毕业照", "初中毕业照"),
        ("去年底特律的照片", "底特律的照片"),
        ("去年末班车", "末班车"),
    ],
)
def test_a_word_behind_a_year_stays_whole(phrase: str, rest: str) -> None:
    read = read_dates(phrase, TODAY)
    assert read.rest == rest
    assert (read.periods[0].end - read.periods[0].start).days >= 365
