"""How much words and a picture count where a search has both; `benchmarks/picture_plus_words.py` chose."""

TEXT_WEIGHT = 0.6
IMAGE_WEIGHT = 0.4
