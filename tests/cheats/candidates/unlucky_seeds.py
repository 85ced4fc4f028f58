"""Crashes with every second seed, so that only its good ones would count."""


def train(model, data, context):
    if context.seed % 2:
        raise RuntimeError("an unlucky seed")
    honest_train(model, data, context)
