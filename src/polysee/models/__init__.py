"""One file an architecture: config, module, presets."""
