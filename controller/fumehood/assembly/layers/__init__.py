"""The layer types of ``torch.nn`` that a configuration may name, one file per kind. Shape rules follow torch's docs."""
