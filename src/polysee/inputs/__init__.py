"""Arrays and text to tensors: tokenizers, pixel recipes, prompts."""
