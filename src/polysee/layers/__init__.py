"""What two or more models are made of. Pure tensor code: no files, no hub, no Lightning.

Shape legend of the whole package: B batch, T query tokens, S key tokens, D hidden size, H heads, K head size,
E projection size, C channels, Y/X rows/columns of a picture or feature map, V vocabulary.
"""
