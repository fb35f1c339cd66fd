"""Polysee: read, see, find, draw and explain, in Chinese and English, on your own machine."""
