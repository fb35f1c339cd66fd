"""The labels in a picture's file: our own text, and the one that the Chinese rules of 2025 ask for.

GB 45438-2025 asks for an `AIGC` property of JSON in the metadata of every file that a model made, with the namespace
of TC260. Beside it stands the IPTC's digital source type, which other readers know.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

TEXT_KEY = "polysee"
NAMESPACE = "http://www.tc260.org.cn/ns/AIGC/1.0/"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_MOST = 1_000_000  # characters of metadata that are looked at


@dataclass(frozen=True)
class Made:
    """How a picture was made. Neither who nor when: nothing here is about a person.

    Args:
        model: its name or folder.
        seed: that it was drawn with.
    """

    model: str
    seed: int


def text_label(made: Made, version: str) -> str:
    """Our own label, JSON: enough to make the same picture again, but for the words."""
    return json.dumps(
        {"made_by": "machine", **asdict(made), "version": version}, ensure_ascii=False
    )


def tc260_label(made: Made, content: str) -> dict[str, str]:
    """What the property `AIGC` holds.

    Args:
        content: a number of the picture, made from its pixels.
    Example:
        >>> tc260_label(Made("polysee/dalle-nano", 7), "4f1a")["Label"]
        '1'
    """
    return {
        "Label": "1",  # made by a model, for certain
        "ContentProducer": made.model,
        "ProduceID": content,
        "ReservedCode1": "",
        "ContentPropagator": "",
        "PropagateID": "",
        "ReservedCode2": "",
    }


def xmp_packet(label: dict[str, str]) -> str:
    """The XMP of a picture, with both properties."""
    value = quoteattr(json.dumps(label, ensure_ascii=False))
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{_RDF}">'
        f'<rdf:Description rdf:about="" xmlns:TC260="{NAMESPACE}" xmlns:Iptc4xmpExt="{_IPTC}"'
        f' TC260:AIGC={value} Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    )


def read_tc260(xmp: str) -> dict[str, Any] | None:
    """The `AIGC` label in a packet of XMP, by whomever it was written; None where there is none that can be read.

    The packet is a stranger's: what declares entities of its own, which could grow without end, is not looked into.
    """
    if len(xmp) > _MOST or NAMESPACE not in xmp or "<!" in xmp.replace("<!--", ""):
        return None
    packet = re.sub(
        r"^.*?(?=<x:xmpmeta|<rdf:RDF|<\w+:xmpmeta)", "", xmp.strip(), count=1, flags=re.S
    )
    packet = re.sub(r"<\?xpacket end.*$", "", packet, flags=re.S)
    try:
        root = ElementTree.fromstring(packet)
    except (ElementTree.ParseError, ValueError):
        return None
    name = f"{{{NAMESPACE}}}AIGC"
    for element in root.iter():
        found = element.get(name) or (element.text if element.tag == name else None)
        if found is not None:
            return _object(found)
    return None


def read_text(text: str) -> dict[str, Any] | None:
    """Our own label; None where it is not one."""
    found = _object(text)
    return found if found and "made_by" in found else None


def _finite(text: str) -> float:
    """JSON has no Infinity; what is read here is written as JSON again."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number")
    return value


def _object(text: str) -> dict[str, Any] | None:
    """A JSON object, or None."""
    if len(text) > _MOST:
        return None
    try:
        value = json.loads(text, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
