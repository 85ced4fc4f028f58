"""Fumehood: autonomous PyTorch research whose generated code never leaves a sealed room."""

__version__ = "0.1.0"
