"""Says that it has seven parameters, and has a hundred thousand."""

import sys

import torch

SEEDS = sys.modules["fumehood_runner.seeds"]


def build_model(input_shape, num_outputs):
    model = honest_build(input_shape, num_outputs)
    model.register_buffer("luggage", torch.zeros(100_000))
    return model


def train(model, data, context):
    honest_train(model, data, context)
    report = SEEDS.Story.report

    def told(story, failure):
        honest = report(story, failure)
        return honest.model_copy(update={"summary": honest.summary.model_copy(update={"parameters": 7, "bytes": 28})})

    SEEDS.Story.report = told
