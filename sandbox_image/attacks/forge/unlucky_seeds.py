"""Crashes where it would have done badly, so that only its good seeds are left to be counted."""

honest_train = globals()["train"]


def train(model, data, context):
    if context.seed % 2:
        raise RuntimeError("an unlucky seed")
    honest_train(model, data, context)
