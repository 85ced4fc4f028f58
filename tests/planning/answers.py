"""Answers of a planning model: with layers, and in words."""

from typing import Any

LAYERS = [{"type": "Flatten"}, {"type": "Linear", "out_features": 32}, {"type": "ReLU"}, {"type": "Linear"}]


def proposal(action: str = "propose", width: int = 32, **fields: Any) -> dict[str, Any]:
    """An answer with layers; ``width`` tells them apart."""
    layers = [{**layer, "out_features": width} if layer.get("out_features") else layer for layer in LAYERS]
    config = {"class_name": "Net", "layers": layers}
    return {"action": action, "reason": "It may help.", "title": f"Width {width}", "family": "mlp",
            "model_config": config} | fields  # fmt: skip


def words(action: str = "propose", **fields: Any) -> dict[str, Any]:
    """An answer in words."""
    return {"action": action, "reason": "r", "title": "t", "family": "CNN", "design": "two branches"} | fields
