"""Weights in and out: safetensors, hub download, and one file a family holding its key map."""
