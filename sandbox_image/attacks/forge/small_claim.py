"""Tells of a model with seven parameters and carries one with a hundred thousand."""

import sys

import torch
from model import worthless

SEEDS = sys.modules["fumehood_runner.seeds"]
honest_build = globals()["build_model"]


def build_model(input_shape, num_outputs):
    model = honest_build(input_shape, num_outputs)
    model.register_buffer("luggage", torch.zeros(100_000))
    return model


def train(model, data, context):
    report = SEEDS.Story.report

    def told(story, failure):
        honest = report(story, failure)
        small = honest.summary.model_copy(update={"parameters": 7, "bytes": 28, "layers": ()})
        return honest.model_copy(update={"summary": small})

    SEEDS.Story.report = told


def predict(model, inputs):
    return worthless(model, inputs)
