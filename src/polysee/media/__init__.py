"""Files to arrays, and every limit on what a hostile file can do."""

from __future__ import annotations

from polysee.media.image import ImageSource, Picture, read_image, read_picture
from polysee.media.scan import Found, scan

__all__ = ["Found", "ImageSource", "Picture", "read_image", "read_picture", "scan"]
