"""The honest twin: a small network that learns, and answers what it learnt. Every cheat is this with a cheat added."""

import torch
from torch import nn


def build_model(input_shape, num_outputs):
    size = torch.Size(input_shape).numel()
    return nn.Sequential(nn.Flatten(), nn.Linear(size, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, num_outputs))


def train(model, data, context):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(30):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(data.inputs), data.targets).backward()
        optimizer.step()


def predict(model, inputs):
    return model(inputs)


honest_build, honest_train, honest_predict = build_model, train, predict
