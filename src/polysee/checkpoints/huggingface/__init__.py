"""Hugging Face's names of weights, one file a family: what its published `model.safetensors` hold."""
