"""What says of a picture that a machine made it: labels in its file, and a mark in the picture itself.

save_picture(path, picture, Made("polysee/dalle-nano", seed=7))
inspect_picture(path)
"""

from polysee.provenance.inspecting import Provenance, inspect_picture, provenance_of
from polysee.provenance.labels import Made
from polysee.provenance.saving import save_picture

__all__ = [
    "Made",
    "Provenance",
    "inspect_picture",
    "provenance_of",
    "save_picture",
]
