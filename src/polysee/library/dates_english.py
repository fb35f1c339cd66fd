"""English dates for `dates`: which words say a time, and which only look as if they did."""

from __future__ import annotations

from polysee.library import dates_english_days, dates_english_years  # they fill the grammar
from polysee.library.dates_english_words import GRAMMAR

__all__ = ["GRAMMAR", "dates_english_days", "dates_english_years"]
