"""Where a picture was taken, in the words of a query: "beach in Sydney", 北京的冬天, "cats, Paris, 2019".

A name is read as a place where something says so (in, from, 在, 去), where it is written as a name, or where
it stands alone; and only if the library holds pictures that were taken there. Otherwise the words stay what
they are, words for the model: "orange", "nice", 北京烤鸭, French bulldogs. But pictures that are known to be
from elsewhere do not answer "in Tokyo".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from polysee.library.gazetteer import Gazetteer, Place, fold

# Names that are also words, which count only where they are written as names after "in", "from" and the like.
WORDS = frozenset(
    """
    the was can has time she much most say got same part man best per young nice along march deal buy rest
    gold goes date boy union sea reading led green federal central add san sale opportunity officer normal
    mine dad spring rich pop mission male gay bar wedding van surprise soul mobile mid mar fat airport sub
    split mad liberal holiday golden forest ben bear bay tank solo sat salt republic orange kim independence
    hang bell sun temple superior semi roman pet olympic marks gap ban wayne walker vegas sin sake rugby pen
    pace log hook fate enterprise crystal bath alliance allen summit oral liberty lawrence fleet dual
    commonwealth clay bow boom barry ann alice ali tyler sue stanley springs sandy roy ron pat parker paradise
    par metro marshall lion lens jam imperial harvey franklin bug brick bin aka tours retreat queens pearl
    norman murphy lucas linda kyle hurricane humble hull hub horn harrison ham genes eagle derby buffalo bud
    brad bend sunset savage roses palmer tire manga logan den chin chi cab beg tub terrace rim reservoir
    monroe mon mentor med marco lynn lone lime leslie leon lend lad hail griffin gilbert fountain dome
    butterfly bury burke bra boo anthem acre worms wan vernon tunes swords sunrise sparks providence preston
    parole nap mel kai flint eugene eden donna cue cocoa baldwin ark windsor vista vine vera turbo tara sur
    stella sol shirley shaping salem rouge riverside plaque plantation paramount midway marina hyde holt
    highland flora cork carey boulder borne aurora apex woodland sap rec pest mascot laurel kin dub bam turkey
    china jordan chad georgia cuba mali polo chile guinea niger jersey cologne bologna champagne florence
    victoria charlotte madison austin jackson houston lincoln phoenix savannah troy hamburg manila panama
    sidney mercedes sofia sophia adelaide carmen casa dali hobart
    """.split()
)
FOOD = (
    r"(?:terriers?|sprouts|bulldogs?|shepherds?|cheese|fashion|pie|hats?|envelopes?|steaks?|s"
    r"ausages?|shorts|duck|eye|cats?\b|fries|toast)"
)

_MARKED = re.compile(r"\b(?:in|at|from|near|around|to|visiting|of)\s+(?:the\s+)?$", re.IGNORECASE)
_FIRM = re.compile(
    r"\b(?:taken\s+|shot\s+)?(?:in|at|from|near|around|visiting)\s+(?:the\s+)?$", re.IGNORECASE
)
_WORD = re.compile(r"[^\W\d_][\w'’.-]*", re.UNICODE)
_HAN = re.compile(r"[\u3400-\u9fff]{2,}")
_AND = re.compile(r"\s*(?:,|、|和|与|與|跟|及|或者?|and|or)\s*(?:in\s+)?", re.IGNORECASE)
_LED_ZH = re.compile(r"[在于於到去从從自至游遊逛]$")
_BOUND_ZH = re.compile(
    r"(?:的|市|省|县|縣)?(?:$|[\s,，。、；;！？!?和与或在里裡拍照旅游遊之夜街海]|[东東南西北]|的|市区|古城|机"
    r"场|風景|风景|日[出落]|公园|大学|城|老|春|夏|秋|冬|雪|下雪|湖|山|江|河|[没沒]有|不[要带帶含]|[没沒无無]|除了|[以之]外)"
)
_NOT_BOUND_ZH = re.compile(r"(?:烤鸭|海鲜|菜|面|猫|狗|犬|路|街道办|西餐|海豹|山药|老虎|老鼠)")
_NOT_ZH = re.compile(
    r"(?:不[在是要想去到含]|[没沒](?:有)?[去到在]|除了|除去|排除|非|别|別)(?:[要是想])?[在去到]?[过過]?\s*$"
)
_NOT_EN = re.compile(
    r"\b(?:not|never|outside|except(?:\s+for)?|excluding|other\s+than|anywhere\s+but|but\s+not|apart\s+from)"
    r"(?:\s+of)?(?:\s+(?:taken|shot))?(?:\s+(?:in|at|from|near|around))?(?:\s+the)?\s*$",
    re.IGNORECASE,
)
_OUTSIDE_ZH = re.compile(r"(?:市|省)?(?:[以之]外)")
_TAKEN = re.compile(r"^(?:拍摄?的?|照的|旅[游遊行]时?)?的?")
SMALLEST, SMALLEST_BARE = 15_000, 100_000
LONGEST_ZH, LONGEST_EN = 8, 4


@dataclass(frozen=True)
class Named:
    """A place named in a query.

    Args:
        begin, end: the characters of the name.
        name: as it was typed.
        places: what the name may stand for, the largest first.
        firm: whether nothing but a place can be meant.
        unwanted: whether the query says "not there"; `begin` and `end` then hold those words too.
    """

    begin: int
    end: int
    name: str
    places: tuple[Place, ...]
    firm: bool
    unwanted: bool = False


@dataclass(frozen=True)
class Located:
    """A query without its places.

    Args:
        rest: the other words.
        names: the places that were understood, as they are called.
        inside: (N,) bool, which pictures were taken there; None where no place was named.
        excluded: the places where pictures are not to be from; of those of unknown places nothing is known, and so
            they are none of them.
    """

    rest: str
    names: tuple[str, ...] = ()
    inside: np.ndarray | None = None
    excluded: tuple[str, ...] = ()


def may_name_place(text: str) -> bool:
    """Whether it is worth loading the gazetteer for a query."""
    return bool(
        _HAN.search(text) or re.search(r"\b(?:in|at|from|near|around|visiting)\s+\w|\b[A-Z]", text)
    ) or (len(text.split()) <= 3 and bool(_WORD.search(text)))


def read_places(
    text: str,
    visible: str,
    gazetteer: Gazetteer,
    where: np.ndarray,
    nearest: Callable[[], np.ndarray],
) -> Located:
    """Take the places out of a query.

    Args:
        text: what was typed.
        visible: the same, equally long, with what is not to be read blanked out.
        where: (N, 2), where the library's pictures were taken, degrees; NaN where that is unknown.
        nearest: gives each picture's city, (N,), asked for only if a place is named.
    """
    located = np.isfinite(where).all(axis=1)
    inside, outside = np.zeros(len(where), bool), np.ones(len(where), bool)
    spans: list[tuple[int, int]] = []
    names: list[str] = []
    unwanted: list[str] = []
    elsewhere = False
    for named in _with_negation(visible, list(_named(visible, gazetteer))):
        if named.unwanted:
            outside &= ~_pictures(named, gazetteer, where, located, nearest)[0]
            unwanted.append(named.name)
            spans.append((named.begin, named.end))
            continue
        there, place = _pictures(named, gazetteer, where, located, nearest)
        if place is not None:
            inside |= there
            names.append(named.name)
            spans.append((named.begin, named.end))
        elsewhere |= named.firm and place is None
    if not spans:
        # a place that the library has not been to: only what may be from there
        return Located(text, inside=~located if elsewhere and located.any() else None)
    return Located(
        _without(text, spans),
        tuple(dict.fromkeys(names)),
        (inside & outside) if names else outside,
        tuple(dict.fromkeys(unwanted)),
    )


def _with_negation(visible: str, found: Sequence[Named]) -> list[Named]:
    """The same with the words around that say "not there"; in a list they count for all of it."""
    before = [
        _NOT_ZH.search(visible, 0, one.begin) or _NOT_EN.search(visible, 0, one.begin)
        for one in found
    ]
    after = [_OUTSIDE_ZH.match(visible, one.end) for one in found]
    unwanted = [bool(lead or tail) for lead, tail in zip(before, after, strict=True)]
    joined = [bool(_AND.fullmatch(visible, a.end, b.begin)) for a, b in pairwise(found)]
    for i, together in enumerate(joined):
        unwanted[i + 1] |= together and unwanted[i]
    for i, together in reversed(list(enumerate(joined))):
        unwanted[i] |= together and after[i + 1] is not None
    return [
        replace(
            one,
            begin=lead.start() if lead else one.begin,
            end=tail.end() if tail else one.end,
            unwanted=no,
        )
        for one, lead, tail, no in zip(found, before, after, unwanted, strict=True)
    ]


def _pictures(
    named: Named,
    gazetteer: Gazetteer,
    where: np.ndarray,
    located: np.ndarray,
    nearest: Callable[[], np.ndarray],
) -> tuple[np.ndarray, Place | None]:
    """The pictures from the largest place of that name where there are any."""
    for place in named.places:
        there = located.copy()
        there[located] = gazetteer.inside(place, where[located], nearest()[located])
        if there.any():
            return there, place
    return np.zeros(len(where), bool), None


def _named(visible: str, gazetteer: Gazetteer) -> Iterator[Named]:
    yield from sorted(
        [*_english(visible, gazetteer), *_chinese(visible, gazetteer)], key=lambda one: one.begin
    )


def _english(visible: str, gazetteer: Gazetteer) -> Iterator[Named]:
    words = [match for match in _WORD.finditer(visible) if not _HAN.search(match.group())]
    done = 0
    for place, word in enumerate(words):
        if word.start() < done:
            continue
        for last in range(min(place + LONGEST_EN, len(words)) - 1, place - 1, -1):
            begin, end = word.start(), words[last].end()
            name = re.sub(r"['’]s$|\.$", "", visible[begin:end])
            if re.search(r"[,;:!?()\"]", name):
                continue
            found = tuple(gazetteer.find(name))
            firm = _counts(visible, begin, end, name, gazetteer.people(found[0])) if found else None
            if firm is not None:
                yield Named(begin, end, name, found, firm)
                done = end
                break


def _counts(visible: str, begin: int, end: int, name: str, people: int) -> bool | None:
    """Whether a name counts as a place: firmly, perhaps, or (None) not at all."""
    written = name[0].isupper()
    before, after = visible[:begin], visible[end:]
    marked = bool(_MARKED.search(before)) or bool(re.search(r"(?:在|去|到|从)\s*$", before))
    listed = bool(re.search(r"[A-Z]\w+\s*(?:,|and|or)\s*$", before))
    alone = not before.strip(" ,") or not after.strip(" ,.!?")
    if re.match(rf"\s+{FOOD}", after, re.IGNORECASE) and not marked:
        return None
    if fold(name) in WORDS or (len(name) < 4 and not name.isupper()):
        area = people > 10**8 and re.match(r"\s*(?:$|[,.!?])", after)  # "in turkey"
        return False if (written and (marked or listed)) or (marked and area) else None
    firm = bool(_FIRM.search(before)) and people >= SMALLEST_BARE
    if marked or listed:
        return firm
    if written and people >= SMALLEST_BARE:
        return False
    return False if alone and people >= 5 * SMALLEST_BARE else None


def _chinese(visible: str, gazetteer: Gazetteer) -> Iterator[Named]:
    for run in _HAN.finditer(visible):
        at = run.start()
        while at < run.end() - 1:
            for end in range(min(at + LONGEST_ZH, run.end()), at + 1, -1):
                found = tuple(gazetteer.find(visible[at:end]))
                if not found:
                    continue
                led = bool(_LED_ZH.search(visible, 0, at) or _FIRM.search(visible[:at]))
                bound = _BOUND_ZH.match(visible, end) and not _NOT_BOUND_ZH.match(visible, end)
                begins = (
                    at == run.start() or not re.match(r"[\u3400-\u9fff]", visible[at - 1]) or led
                )
                people = gazetteer.people(found[0])
                large = people >= SMALLEST_BARE
                if bound and (led or (large and begins) or people >= 10 * SMALLEST_BARE):
                    yield Named(at, end, visible[at:end], found, firm=led and large)
                    at = end - 1
                    break
            at += 1


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """The text without places and the words that lead to them."""
    kept, position = [], 0
    for begin, end in spans:
        between = text[position:begin]
        if position and _AND.fullmatch(between):
            between = ""
        else:
            lead = re.search(r"(?:\b(?:taken\s+|shot\s+)?(?:in|at|from|near|around|to|visiting|of)\s+(?:the\s+"
        r")?|(?:我们?|我們)?[在于於到去从從]\s*)$", between, re.I)  # fmt: skip
            between = between[: lead.start()] if lead else between
        kept.append(between)
        tail = _TAKEN.match(text[end:])
        position = end + (tail.end() if tail else 0)
    kept.append(text[position:])
    joined = ""
    for part in kept:
        gap = " " if joined and part and joined[-1].isascii() and part[0].isascii() else ""
        joined += gap + part
    joined = re.sub(r"\s*([,，、])(?:\s*[,，、])+", r"\1", " ".join(joined.split()))
    return re.sub(r"^[\s,.;:，。；、：·-]+|[\s,;:，；、：·-]+$", "", joined)
