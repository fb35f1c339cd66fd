"""Models in the form of ONNX, which other runtimes read: graphs built from a module's weights."""
