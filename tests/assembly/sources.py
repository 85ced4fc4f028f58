"""Sources of candidates, as a language model answers with them."""

NET = "from torch import nn\n\n\ndef build_model(input_shape, num_outputs):\n    return nn.Flatten()\n"
OTHER = NET.replace("Flatten", "Identity")


def fenced(source: str, before: str = "", after: str = "") -> str:
    return f"{before}```python\n{source}```\n{after}"
