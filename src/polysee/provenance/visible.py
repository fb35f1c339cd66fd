"""A label that people see: AI生成 in the lower right corner.

The four signs are drawn by strokes of our own, since no font with Chinese comes with Polysee or with every system.

Shapes: Y/X rows/columns, C channels.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

# Each sign's strokes, as lines between points in a square of 100.
_SIGNS = (
    (60, (((2, 96), (28, 6), (54, 96)), ((12, 64), (44, 64)))),  # A
    (28, (((12, 6), (12, 96)),)),  # I
    (104, (((30, 4), (14, 40)), ((22, 26), (84, 26)), ((50, 2), (50, 94)), ((18, 58), (82, 58)), ((6, 94), (94, 94)))),
    (104, (((20, 24), (92, 24)), ((22, 24), (20, 60), (6, 96)), ((22, 50), (46, 50), (44, 78), (36, 74)),
           ((56, 4), (62, 50), (80, 84), (92, 94), (94, 78)), ((86, 40), (70, 70), (50, 92)), ((72, 4), (84, 14)))),
)  # fmt: skip
_HEIGHT = 0.055  # of the picture's shorter side; GB 45438-2025 asks for a twentieth at least


def draw_label(picture: np.ndarray) -> np.ndarray:
    """Write AI生成 into the lower right corner, white with a dark rim.

    Shapes:
        picture: (Y, X, C) uint8
        returns: (Y, X, C) uint8
    """
    image = Image.fromarray(picture).convert("RGB")
    height = max(8.0, _HEIGHT * min(image.size))
    scale = height / 100
    width = sum(advance for advance, _ in _SIGNS) * scale
    left, top = image.width - width - height * 0.5, image.height - height * 1.5
    zoom = 3
    layer = Image.new("L", (image.width * zoom, image.height * zoom))
    rim = layer.copy()
    for canvas, thickness in ((ImageDraw.Draw(rim), 22), (ImageDraw.Draw(layer), 9)):
        start = left
        for advance, strokes in _SIGNS:
            for stroke in strokes:
                points = [((start + x * scale) * zoom, (top + y * scale) * zoom) for x, y in stroke]
                canvas.line(points, fill=255, width=round(thickness * scale * zoom), joint="curve")
            start += advance * scale
    image.paste((20, 20, 30), (0, 0), rim.reduce(zoom).point(lambda a: a * 150 // 255))
    image.paste((255, 255, 255), (0, 0), layer.reduce(zoom))
    return np.asarray(image)
