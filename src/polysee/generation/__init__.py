"""Writing texts with a language model: how the next token is chosen, token after token.

Shapes of the package: B texts, T tokens of a prompt, V vocabulary, K beams.
"""

from polysee.generation.beams import beam_search
from polysee.generation.choosing import Trie, choice_scores
from polysee.generation.sampling import Decoding
from polysee.generation.writers import GptWriter, TransformerWriter, Writer
from polysee.generation.writing import generate, stream

__all__ = [
    "Decoding",
    "GptWriter",
    "TransformerWriter",
    "Trie",
    "Writer",
    "beam_search",
    "choice_scores",
    "generate",
    "stream",
]
