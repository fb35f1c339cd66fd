"""What `polysee.load` returns: a model with what files and sentences need around it."""

from polysee.checkpoints.bundled import bundled_models
from polysee.inference.embedder import Embedder
from polysee.inference.language import LanguageModel, TextClassifier, TextModel
from polysee.inference.loading import load

__all__ = [
    "Embedder",
    "LanguageModel",
    "TextClassifier",
    "TextModel",
    "bundled_models",
    "load",
]
