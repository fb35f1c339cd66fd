"""EfficientNet, as `transformers.EfficientNetModel` keeps it."""

from __future__ import annotations

from polysee.checkpoints.keymap import KeyMap, Rules

RULES: Rules = (
    ("stem.conv", "embeddings.convolution"),
    ("stem.norm", "embeddings.batchnorm"),
    ("blocks.{}.expand.conv", "encoder.blocks.{}.expansion.expand_conv"),
    ("blocks.{}.expand.norm", "encoder.blocks.{}.expansion.expand_bn"),
    ("blocks.{}.depthwise.conv", "encoder.blocks.{}.depthwise_conv.depthwise_conv"),
    ("blocks.{}.depthwise.norm", "encoder.blocks.{}.depthwise_conv.depthwise_norm"),
    ("blocks.{}.squeeze.reduce", "encoder.blocks.{}.squeeze_excite.reduce"),
    ("blocks.{}.squeeze.expand", "encoder.blocks.{}.squeeze_excite.expand"),
    ("blocks.{}.project.conv", "encoder.blocks.{}.projection.project_conv"),
    ("blocks.{}.project.norm", "encoder.blocks.{}.projection.project_bn"),
    ("head.conv", "encoder.top_conv"),
    ("head.norm", "encoder.top_bn"),
)

EFFICIENTNET = KeyMap(RULES)
