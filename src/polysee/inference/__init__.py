"""What `polysee.load` returns: a model with what files and sentences need around it."""

from polysee.inference.embedder import Embedder
from polysee.inference.loading import bundled_models, load

__all__ = ["Embedder", "bundled_models", "load"]
