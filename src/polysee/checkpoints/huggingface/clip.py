"""CLIP, as `transformers.CLIPModel` keeps it."""

from __future__ import annotations

from polysee.checkpoints.keymap import KeyMap, Rules, within

BLOCK: Rules = (
    ("attention.query", "self_attn.q_proj"),
    ("attention.key", "self_attn.k_proj"),
    ("attention.value", "self_attn.v_proj"),
    ("attention.output", "self_attn.out_proj"),
    ("attention_norm", "layer_norm1"),
    ("mlp.expand", "mlp.fc1"),
    ("mlp.project", "mlp.fc2"),
    ("mlp_norm", "layer_norm2"),
)

CLIP = KeyMap(
    (
        ("log_scale", "logit_scale"),
        ("image.class_token", "vision_model.embeddings.class_embedding"),
        ("image.patch", "vision_model.embeddings.patch_embedding"),
        ("image.position", "vision_model.embeddings.position_embedding.weight"),
        ("image.input_norm", "vision_model.pre_layrnorm"),  # so spelt there
        ("image.norm", "vision_model.post_layernorm"),
        ("image_projection", "visual_projection"),
        ("text.token", "text_model.embeddings.token_embedding"),
        ("text.position", "text_model.embeddings.position_embedding.weight"),
        ("text.norm", "text_model.final_layer_norm"),
        ("text_projection", "text_projection"),
        *within("image.blocks.{}", "vision_model.encoder.layers.{}", BLOCK),
        *within("text.blocks.{}", "text_model.encoder.layers.{}", BLOCK),
    ),
    unused=("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids"),
)
