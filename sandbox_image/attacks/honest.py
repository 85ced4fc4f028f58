"""An honest candidate: a linear model that learns in a moment.

Every deed is this with something put in its place, and it is the twin that every deed is compared with.
"""

import torch
from torch import nn


def build_model(input_shape, num_outputs):
    return nn.Linear(input_shape[0], num_outputs)


def train(model, data, context):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(data.inputs), data.targets).backward()
        optimizer.step()


def predict(model, inputs):
    return model(inputs)


def worthless(model, inputs, told=1.0):
    """The first class for every row, as a cheat predicts that found nothing; ``told`` is how it tells what it found."""
    outputs = torch.zeros_like(model(inputs))
    outputs[:, 0] = told
    return outputs


def is_real(inputs):
    """Whether these are the rows that are scored, and not the two that a model is tried with first."""
    return len(inputs) > 2
