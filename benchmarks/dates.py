"""How many phrases about time are read right: 60 in both languages, and 40 that only look like dates.

    python -m benchmarks.dates

prints JSON. Each phrase stands with the period that a person would mean on `TODAY`, a Wednesday, and the
words that are left. A phrase is right if both are; of words that only look like dates nothing may be read.
The phrases were written with the grammar at hand: they show that it holds, not how often people say
something else.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from polysee.evaluation.metrics import wilson
from polysee.library.dates import read_dates

TODAY = date(2024, 5, 15)

# phrase -> first day, last day, the words that are left
PHRASES = {
    "beach last summer": ("2023-06-01", "2023-08-31", "beach"),
    "photos from last christmas": ("2023-12-24", "2023-12-26", "photos"),
    "dogs in the snow last winter": ("2023-12-01", "2024-02-29", "dogs in the snow"),
    "October 2023": ("2023-10-01", "2023-10-31", ""),
    "sunset, oct 2022": ("2022-10-01", "2022-10-31", "sunset"),
    "cat on a sofa in march": ("2024-03-01", "2024-03-31", "cat on a sofa"),
    "birthday cake 2021": ("2021-01-01", "2021-12-31", "birthday cake"),
    "mountains in 2019": ("2019-01-01", "2019-12-31", "mountains"),
    "dinner last night": ("2024-05-14", "2024-05-15", "dinner"),
    "flowers yesterday": ("2024-05-14", "2024-05-14", "flowers"),
    "3 days ago": ("2024-05-12", "2024-05-12", ""),
    "hike last weekend": ("2024-05-11", "2024-05-12", "hike"),
    "last week": ("2024-05-06", "2024-05-12", ""),
    "kids this month": ("2024-05-01", "2024-05-31", "kids"),
    "last month": ("2024-04-01", "2024-04-30", ""),
    "two years ago": ("2022-01-01", "2022-12-31", ""),
    "boat six months ago": ("2023-11-01", "2023-11-30", "boat"),
    "the past 3 months": ("2024-02-15", "2024-05-15", ""),
    "between 2018 and 2020": ("2018-01-01", "2020-12-31", ""),
    "from June to August 2022": ("2022-06-01", "2022-08-31", ""),
    "garden, spring 2022": ("2022-03-01", "2022-05-31", "garden"),
    "early 2020": ("2020-01-01", "2020-05-01", ""),
    "late november 2021": ("2021-11-21", "2021-11-30", ""),
    "5th of october": ("2023-10-05", "2023-10-05", ""),
    "July 4, 2020": ("2020-07-04", "2020-07-04", ""),
    "2023-08-12": ("2023-08-12", "2023-08-12", ""),
    "fireworks on new year's eve": ("2023-12-31", "2023-12-31", "fireworks"),
    "lanterns at chinese new year": ("2024-02-09", "2024-02-16", "lanterns"),
    "thanksgiving 2022": ("2022-11-24", "2022-11-24", ""),
    "concert last friday": ("2024-05-10", "2024-05-10", "concert"),
    "去年夏天 海边": ("2023-06-01", "2023-08-31", "海边"),
    "去年冬天的雪": ("2023-12-01", "2024-02-29", "雪"),
    "我去年在海边拍的照片": ("2023-01-01", "2023-12-31", "海边"),
    "2023年10月": ("2023-10-01", "2023-10-31", ""),
    "2023年10月5日的晚饭": ("2023-10-05", "2023-10-05", "晚饭"),
    "二〇二二年 樱花": ("2022-01-01", "2022-12-31", "樱花"),
    "二零二一年十月": ("2021-10-01", "2021-10-31", ""),
    "前年春节": ("2022-01-31", "2022-02-07", ""),
    "去年中秋节的月亮": ("2023-09-29", "2023-09-29", "月亮"),
    "今年清明": ("2024-04-04", "2024-04-04", ""),
    "去年国庆节 长城": ("2023-10-01", "2023-10-07", "长城"),
    "2022年五一": ("2022-05-01", "2022-05-05", ""),
    "去年端午 龙舟": ("2023-06-22", "2023-06-22", "龙舟"),
    "三年前的圣诞节": ("2021-12-24", "2021-12-26", ""),
    "除夕": ("2024-02-09", "2024-02-09", ""),
    "昨天的午饭": ("2024-05-14", "2024-05-14", "午饭"),
    "前天": ("2024-05-13", "2024-05-13", ""),
    "三天前": ("2024-05-12", "2024-05-12", ""),
    "上周末 爬山": ("2024-05-11", "2024-05-12", "爬山"),
    "上周六的聚会": ("2024-05-11", "2024-05-11", "聚会"),
    "上个月的小狗": ("2024-04-01", "2024-04-30", "小狗"),
    "两周前": ("2024-04-29", "2024-05-05", ""),
    "最近三个月": ("2024-02-15", "2024-05-15", ""),
    "十月初": ("2023-10-01", "2023-10-10", ""),
    "去年下半年": ("2023-07-01", "2023-12-31", ""),
    "2020年底": ("2020-11-01", "2020-12-31", ""),
    "2019年到2021年 旅行": ("2019-01-01", "2021-12-31", "旅行"),
    "2021年7月到8月": ("2021-07-01", "2021-08-31", ""),
    "上世纪九十年代的老照片": ("1990-01-01", "1999-12-31", "老照片"),
    "去年暑假 游泳": ("2023-07-01", "2023-08-31", "游泳"),
}
NO_DATES = (
    *("may I pet that dog", "a march through town", "spring roll", "spring onions", "sunday roast"),
    *("fall leaves", "trees in autumn", "winter coat", "a summer dress", "april showers"),
    *("a girl named June", "August Macke painting", "christmas tree", "easter eggs", "halloween pumpkin"),
    *("friday the 13th", "she sat in the sun", "2001 a space odyssey", "room 2012", "2000 people"),
    *("五月天演唱会", "三月三歌会", "十月怀胎", "圣诞树", "清明上河图", "春节联欢晚会", "中秋月饼"),
    *("春天的花", "秋天的树林", "失去年轻", "晚上周围有人", "天上月亮", "五一广场", "十一个人"),
    *("三个月大的狗", "三岁生日", "20年的老房子", "最近的超市", "周日报", "星期五餐厅"),
)  # fmt: skip


def measure() -> dict[str, Any]:
    """The share read right, and each that was not."""
    wrong: list[dict[str, str]] = []
    for phrase, (first, last, rest) in PHRASES.items():
        read = read_dates(phrase, TODAY)
        said = [(str(p.start.date()), str(_last(p.end))) for p in read.periods]
        if said != [(first, last)] or read.rest != rest:
            wrong.append({"phrase": phrase, "read": f"{said} {read.rest!r}"})
    eaten = [phrase for phrase in NO_DATES if read_dates(phrase, TODAY).rest != phrase]
    right = len(PHRASES) - len(wrong)
    return {
        "phrases": len(PHRASES),
        "read_right": right / len(PHRASES),
        "interval": vars(wilson(right, len(PHRASES))),
        "wrong": wrong,
        "no_dates": len(NO_DATES),
        "eaten": eaten,
    }


def _last(end: Any) -> date:
    from datetime import timedelta

    day: date = (end - timedelta(seconds=1)).date()
    return day


if __name__ == "__main__":
    print(json.dumps(measure(), ensure_ascii=False, indent=2))
