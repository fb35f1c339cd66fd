"""A reliability curve as an SVG picture: how relevant pictures were said to be, and how many were."""

from __future__ import annotations

from collections.abc import Mapping

from polysee.library.fitting import Reliability

SIDE, MARGIN = 320, 48
COLOURS = ("#2563eb", "#d97706", "#059669", "#9333ea")


def draw(curves: Mapping[str, Reliability]) -> str:
    """One line a curve; the diagonal is a relevance that is exactly true; dots grow with the count."""
    size = SIDE + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" font-family="sans-serif" font-size="12">',
        f'<rect width="{size}" height="{size}" fill="#ffffff"/>',
        f'<path d="M{_x(0)} {_y(1)}V{_y(0)}H{_x(1)}" fill="none" stroke="#444444"/>',
        f'<path d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}" stroke="#bbbbbb" stroke-dasharray="4 4"/>',
    ]
    for tenth in range(0, 11, 2):
        share = tenth / 10
        parts.append(
            f'<text x="{_x(share)}" y="{_y(0) + 16}" text-anchor="middle">{share:.1f}</text>'
        )
        parts.append(
            f'<text x="{_x(0) - 6}" y="{_y(share) + 4}" text-anchor="end">{share:.1f}</text>'
        )
    parts.append(f'<text x="{_x(0.5)}" y="{size - 8}" text-anchor="middle">relevance shown</text>')
    parts.append(
        f'<text transform="translate(14 {_y(0.5)}) rotate(-90)" text-anchor="middle">share that is right</text>'
    )
    for place, (name, curve) in enumerate(curves.items()):
        parts += _curve(name, curve, COLOURS[place % len(COLOURS)], place)
    return "\n".join([*parts, "</svg>", ""])


def _curve(name: str, curve: Reliability, colour: str, place: int) -> list[str]:
    points = list(zip(curve.said, curve.found, curve.count, strict=True))
    line = " ".join(f"{_x(said)},{_y(found)}" for said, found, _ in points)
    dots = [
        f'<circle cx="{_x(said)}" cy="{_y(found)}" r="{min(7.0, 1.5 + float(count) ** 0.25 / 2):.1f}" fill="{colour}"/>'
        for said, found, count in points
    ]
    legend = f"{name} (mean gap {curve.error:.3f})"
    return [
        f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *dots,
        f'<text x="{_x(0.03)}" y="{_y(1) + 16 * (place + 1)}" fill="{colour}">{legend}</text>',
    ]


def _x(share: float) -> float:
    return round(MARGIN + SIDE * float(share), 1)


def _y(share: float) -> float:
    return round(MARGIN + SIDE * (1 - float(share)), 1)
