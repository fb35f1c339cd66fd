"""Metrics, and the loops that `polysee eval`, training and the benchmarks share."""
