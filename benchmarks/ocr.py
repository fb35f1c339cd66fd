"""How many signs and screenshots are found by their words, half of them Chinese.

    python -m benchmarks.ocr --font FONT.ttc [--count 100] [--seed 0]

prints JSON. FONT must have Chinese letters (Noto Sans CJK, WenQuanYi Micro Hei, Microsoft YaHei). Signs (a
few words, large, coloured, turned a little, noisy) and screenshots (several lines, small) are drawn and
indexed with `--ocr`, among photographs of Flickr8k validation without words. Each is asked for by words that
it bears: found if it is the first answer, and if it is among the first five. Beside it: the same searches in
a library indexed without `--ocr`.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from polysee.datasets.tables import read_rows
from polysee.evaluation.metrics import wilson
from polysee.library import Library

FLICKR = "captions/flickr8k/validation"
PHOTOS = 100
SIGNS_EN = (
    "No Parking|Wet Floor|Emergency Exit|Push to Open|Fresh Coffee|Beware of Dog|Sale Ends Sunday|Open 24 Hours"
    "|Platform Nine|Lost and Found|Keep Off the Grass|Mind the Gap|Ticket Office|Bus Stop Ahead|Road Closed"
    "|Private Property|Happy Birthday Emma|Welcome Home|Staff Only|Fire Extinguisher|Swimming Pool Rules"
    "|Library Hours|Garden Center|Fish and Chips|Slow Children Playing"
).split("|")
SIGNS_ZH = (
    "禁止停车|小心地滑|安全出口|请勿吸烟|新鲜水果|内有恶犬|周年庆大促销|二十四小时营业|失物招领|请勿踩踏草坪|售票处"
    "|前方施工|道路封闭|私人领地|生日快乐|欢迎回家|员工通道|灭火器箱|游泳须知|图书馆开放时间|兰州拉面|重庆火锅|北京烤鸭店"
    "|老年活动中心|儿童乐园"
).split("|")
ITEMS_EN = "milk bread apples butter cheese coffee oranges pasta rice tomatoes yoghurt sugar salmon onions".split()
ITEMS_ZH = "牛奶 面包 苹果 鸡蛋 酱油 大米 西红柿 土豆 白菜 豆腐 牛肉 洗衣液 矿泉水 卫生纸".split()
TITLES_EN = (
    "Meeting notes|Flight booking|Server error|Weather report|Bank statement|Chat with Alice|Train timetable"
    "|Password reset|Order confirmed|Battery settings|Project deadline|Recipe for soup|Hotel invoice"
    "|Software update|Exam results|Parking receipt|Gym membership|Insurance policy|Delivery tracking"
    "|Job interview|Dentist appointment|Concert tickets|Rental agreement|Tax return|School calendar"
).split("|")
TITLES_ZH = (
    "会议记录|航班预订|服务器错误|天气预报|银行对账单|聊天记录|列车时刻表|重置密码|订单已确认|电池设置|项目截止日期|排骨汤做法"
    "|酒店发票|软件更新|考试成绩|停车收费单|健身会员卡|保险合同|快递物流|面试通知|牙医预约|演唱会门票|租房合同|个税申报|课程表"
).split("|")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--font", type=Path, required=True)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), asked.font, asked.count, asked.seed)
        print(json.dumps(result, ensure_ascii=False, indent=2))


def measure(folder: Path, font: Path, count: int, seed: int) -> dict[str, Any]:
    """Draw, index twice, and ask."""
    pictures = folder / "pictures"
    pictures.mkdir()
    asked = draw_all(pictures, font, count, random.Random(seed))
    for number, row in enumerate(read_rows(FLICKR, ["image"])[:PHOTOS]):
        (pictures / f"photo {number}.webp").write_bytes(row["image"])
    result: dict[str, Any] = {"pictures": len(asked), "photographs": PHOTOS, "seed": seed}
    for name, ocr in (("with_ocr", True), ("without", False)):
        library = Library(folder / name)
        report = library.index(pictures, ocr=ocr)
        result[name] = {**ask(library, asked), "seconds": report.seconds}
    return result


def ask(library: Library, asked: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """How often the picture that bears the words comes first, and among the first five."""
    places: dict[str, list[int]] = {"en": [], "zh": []}
    missed = []
    for name, (query, language) in asked.items():
        hits = [Path(hit.path).name for hit in library.search(query, top=5)]
        places[language].append(hits.index(name) if name in hits else 99)
        if name not in hits[:1]:
            missed.append(query)
    scores: dict[str, Any] = {"missed": missed}
    for language, ranks in {"all": [*places["en"], *places["zh"]], **places}.items():
        first, five = (sum(rank < top for rank in ranks) for top in (1, 5))
        scores[language] = {
            "first": first / max(1, len(ranks)),
            "interval": vars(wilson(first, max(1, len(ranks)))),
            "first_five": five / max(1, len(ranks)),
        }
    return scores


def draw_all(
    folder: Path, font: Path, count: int, dice: random.Random
) -> dict[str, tuple[str, str]]:
    """Half signs, half screenshots, each half in both languages; file name -> query, language."""
    asked = {}
    each = -(-count // 4)
    for language, signs, titles, items in (
        ("en", SIGNS_EN, TITLES_EN, ITEMS_EN),
        ("zh", SIGNS_ZH, TITLES_ZH, ITEMS_ZH),
    ):
        for number in range(each):
            name = f"sign {language} {number}.jpg"
            draw_sign(signs[number], font, dice).save(folder / name, quality=85)
            asked[name] = (signs[number].lower(), language)
            name = f"screen {language} {number}.png"
            lines = [titles[number], *dice.sample(items, 6)]
            draw_screen(lines, font, dice).save(folder / name)
            asked[name] = (titles[number].lower(), language)
    return asked


def draw_sign(text: str, font: Path, dice: random.Random) -> Image.Image:
    """A few large words on a plate, seen a little from the side, with noise."""
    size = dice.randint(40, 72)
    letters = ImageFont.truetype(str(font), size)
    box = letters.getbbox(text)
    width, height = int(box[2]) + 80, int(box[3]) + 60
    ground, ink = dice.choice(
        [("#c62828", "white"), ("#fdd835", "black"), ("#1565c0", "white"), ("#eeeeee", "#222222")]
    )
    plate = Image.new("RGB", (width, height), ground)
    ImageDraw.Draw(plate).text((40, 25), text, font=letters, fill=ink)
    wall = tuple(dice.randint(90, 170) for _ in range(3))
    turned = plate.rotate(
        dice.uniform(-6, 6), Image.Resampling.BICUBIC, expand=True, fillcolor=wall
    )
    scene = Image.new(
        "RGB", (turned.width + dice.randint(20, 160), turned.height + dice.randint(20, 160)), wall
    )
    scene.paste(turned, (scene.width - turned.width, scene.height - turned.height))
    noise = np.random.default_rng(dice.randrange(2**32)).normal(
        0, 10, (scene.height, scene.width, 1)
    )
    return Image.fromarray((np.asarray(scene) + noise).clip(0, 255).astype(np.uint8))


def draw_screen(lines: list[str], font: Path, dice: random.Random) -> Image.Image:
    """Several lines as on a telephone or a receipt."""
    dark = dice.random() < 0.3
    screen = Image.new(
        "RGB", (dice.randint(420, 720), 60 + 46 * len(lines)), "#181818" if dark else "white"
    )
    pen = ImageDraw.Draw(screen)
    for number, line in enumerate(lines):
        letters = ImageFont.truetype(str(font), 30 if number == 0 else dice.randint(18, 24))
        value = "" if number == 0 else f"{dice.uniform(1, 99):.2f}"
        at = 24 + 46 * number
        pen.text((24, at), line, font=letters, fill="#eeeeee" if dark else "#222222")
        pen.text((screen.width - 110, at), value, font=letters, fill="#999999")
    return screen


if __name__ == "__main__":
    main()
