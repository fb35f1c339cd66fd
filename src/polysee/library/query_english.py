"""English negation for `query`: where it begins, how far it reaches, what only looks like it."""

from __future__ import annotations

import re

from polysee.library.query_scope import QUOTES, Exclusion

INERT = re.compile(
    r"""
      \bnot\s+(?:only|just|merely|bad|far|yet|so|very|too|quite|all|without|to\s+scale|for\s+sale
        |allowed|permitted)\b
    | \bwhy\s+not\b | -not\b | \bnot-\w
    | \b(?:says?|saying|reads?|reading)\s+(?:no|not|don['’]t)\b [^,]*
    | \b(?:do\s+not|don['’]t)\s+(?:enter|disturb|touch|cross|walk|feed|stop|park|litter)\b
    | \bno\s+(?:entry|exit|parking|smoking|trespassing|stopping|standing|littering|loitering
        |swimming|fishing|diving|camping|u-?turns?|overtaking|vacancy|doubt|problem|matter|wonder
        |longer|way|idea|(?:less|fewer|more)\s+than|big\s+deal|man['’]?s\s+land|time\s+to\s+die
        |country\s+for\s+old\s+men)\b
    | (?:(?<=^)|(?<=\ba\s)|(?<=\bthe\s)|(?<=\bred\s))no\s+(?:[\w-]+\s+){1,2}
        (?:signs?|signage|symbol|sticker|icon)\b
    | \bno\s+(?:[\w-]+\s+){1,2}allowed\b
    | \bno\.?\s*\d | \bno-(?!one\b)\w | \bdr\.?\s+no\b | \byes\s+(?:or|and)\s+no\b
    | \bwithout\s+(?:an?y?\s+)?(?:doubt|fail|question|borders|cause)\b
    | \b(?:nothing|none|no\s+one|nobody)\s+(?:but|other\s+than)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""What contains a negator and is none: signs, names, turns of phrase."""

_NOT = r"(?:\s*n['’]t|\s+not)"
_NEGATOR = re.compile(
    rf"""
    (?P<people>
        \b(?:with\s+|there['’]s\s+|there\s+is\s+)?(?:nobody|no[\s-]one)\b(?!['’])
        (?:\s+(?:else|around|there|here|in\s+sight|is|(?:\w+ing\s+)?(?:in|on|at)\s+it)\b)? )
    | (?:\b(?:with|that|which|who)\s+)?
      (?: \bwithout(?:\s+any)?\b | \bw/o\b | \bwith\s+no\b | \bneither\b | \bnor\b
        | (?P<but>\bexcept(?:\s+for)?\b | \bother\s+than\b | \bapart\s+from\b) | \bexclud(?:e|ing)\b
        | \binstead\s+of\b | \brather\s+than\b | \b(?:anything|everything|all|anyone)\s+but\b
        | \black(?:ing|s)\b | \b(?:devoid|free)\s+of\b | \b(?:has|have|is|are|there['’]s)\s+no\b(?!\s+one\b)
        | \b(?:i\s+)?(?:do|does|did){_NOT}\b
          (?:\s+(?:want|like|have|contain|include|show)\b (?:\s+to\s+see\b|\s+me\b)?)?
        | \b(?:is|are|was|were){_NOT}\b (?:\s+in\b)?
        | \bnot\s+(?:including|with|containing|showing)\b | \bnot\b | \bno\b
        | (?:(?<=^)|(?<=\s))-(?=[^\W\d_]) )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_STOP = re.compile(
    r"""
    \s*(?: [;:.!?()\[\]，。；！？（）、] | \s[-–—](?=\s|[^\W\d_]) | [\u3400-\u9fff]
      | \b(?:but|while|at|on|in|near|under|by|during|beside|behind|above|over|along|through|from
          |against|around|next\s+to|in\s+front\s+of|if|please)\b )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_STOP_WITH = re.compile(r"\s*\bwith(?:out)?\b", re.IGNORECASE)
# "a man without a hat riding a horse" rides; in "a street without people riding" the people do.
_DOING = re.compile(
    r"""
    \b(?!(?:people|persons?|humans?|any(?:one|body)|m[ae]n|wom[ae]n|child(?:ren)?|kids?|boys?|girls?
        |dogs?|cats?|birds?|horses?|animals?)\b)\w+
    (\s+(?:wearing|holding|riding|running|walking|sitting|standing|playing|eating|lying|sleeping
        |jumping|flying|looking|driving|carrying|climbing|smiling|reading|working|dancing)\b)
    """,
    re.IGNORECASE | re.VERBOSE,
)
# "people in the background" excludes people; "a hat on his head" a hat.
_TAIL = re.compile(
    r"""
    \s*\b(?:on|in|near|at|around|by|with)\s+
    (?: (?:it|them|him|her)\b
      | (?:his|her|their|its)\s+\w+
      | the\s+(?:background|foreground|picture|photo|image|frame|shot|way)\b
      | sight\b )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_LIST_OF_THREE = re.compile(
    r"[^,]{1,30}(?:,\s*(?:[\w'-]+\s+){0,2}[\w'-]+)+,?\s+(?:or|and|nor)\s+", re.IGNORECASE
)
_AND = re.compile(r"\s*,?\s*\b(?:or|and|nor)\b\s*|\s*[,/&]\s*", re.IGNORECASE)
_LEAD = re.compile(
    r"(?:(?:on|in|at|near|a|an|the|any|some|many|much|single|anything|of|them|to\s+be|being|have|has|other|see|no|not)"
    r"\s+)+(?=\S)",
    re.IGNORECASE,
)
# Words that mean no thing of their own: any person, or nothing that could be excluded.
_PRONOUNS = {"anyone": "people", "anybody": "people", "anything": ""}
# "not on the sofa", "not sitting on the sofa": the preposition belongs to what is excluded.
_OPENING = re.compile(
    r"""
    \s*(?:(?:look(?:ing)?|smil(?:e|ing)|star(?:e|ing)|pointing|sit(?:ting)?|seated|stand(?:ing)?
        |l(?:ie|ying)|lean(?:ing)?|parked|perched)\s+)?
    (?:on|in|at|near|under|by|behind|from|against)\b\s* | \s*
    """,
    re.IGNORECASE | re.VERBOSE,
)


def find(text: str, visible: str, position: int) -> Exclusion | None:
    """The first exclusion at or after `position`.

    Args:
        text: the query.
        visible: the same, with what no rule may read hidden; equally long.
    """
    for match in _NEGATOR.finditer(visible, position):
        if match.group("people"):
            return Exclusion(match.start(), match.end(), ("people",))
        if match.group("but") and position and not visible[position : match.start()].strip():
            return Exclusion(match.start(), match.end(), ())  # no furniture except a chair
        end = _reach(visible, match.end(), leads=not visible[position : match.start()].strip())
        terms = _terms(text[match.end() : end])
        if terms:
            tail = _TAIL.match(visible, end)
            return Exclusion(match.start(), tail.end() if tail else end, terms)
    return None


def _reach(visible: str, start: int, leads: bool) -> int:
    """Where what is excluded ends; `leads` where nothing wanted stands before it."""
    opening = _OPENING.match(visible, start)
    begin = opening.end() if opening else start
    ends = [len(visible)]
    for pattern in (_STOP, _NEGATOR) if leads else (_STOP, _NEGATOR, _STOP_WITH):
        if match := pattern.search(visible, begin):
            ends.append(match.start())
    if doing := _DOING.search(visible, begin):
        ends.append(doing.start(1))
    comma = visible.find(",", begin)
    if comma >= 0 and not _LIST_OF_THREE.match(visible, begin):
        ends.append(comma)
    return max(min(ends), start)


def _terms(phrase: str) -> tuple[str, ...]:
    terms = []
    for term in _AND.split(phrase):
        term = term.strip().strip(QUOTES).strip(" .,;:!?-–—")
        term = _LEAD.sub("", term, count=1) if _LEAD.match(term) else term
        term = _PRONOUNS.get(term.lower(), term)
        if re.search(r"\w", term):
            terms.append(term.strip())
    return tuple(dict.fromkeys(terms))
