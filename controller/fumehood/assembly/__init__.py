"""From a declarative ``model_config`` to the readable PyTorch source of a candidate.

``template.assemble`` is deterministic and complete: what it accepts it turns into source that parses, builds and gives
the promised output shape; everything else is an ``AssemblyError`` that names the layer. Nothing here imports torch:
shapes, parameter counts and multiply-adds are computed from the configuration alone (``trace``). No text from a
configuration ever becomes code; only validated numbers, names from fixed lists and escaped docstring text do.
"""
