"""The control room: a job that is known to be good, tried where one of a candidate's came to nothing.

Some endings of a room do not tell whose doing they were: its first process died, it fell silent, the engine could not
read it. If the engine manages this job in a fresh room of the same kind, the candidate is to blame; if it does not,
the engine is. A candidate has no part in it, and so no way to have its failure excused.
"""

import json
import struct

from fumehood.errors import EngineError
from fumehood.sandbox import exchange
from fumehood.sandbox.exchange import Outgoing, Rejected
from fumehood.sandbox.room import Ending, Room
from fumehood_shared import caps, paths
from fumehood_shared.messages import JobReply, PredictRequest, TrainRequest

_DEADLINE_S = 60.0
_SOURCE = """\
import torch
from torch import nn


class Constant(nn.Module):
    def __init__(self, num_outputs):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(num_outputs))

    def forward(self, inputs):
        return self.bias.expand(len(inputs), -1)


def build_model(input_shape, num_outputs):
    return Constant(num_outputs)


def train(model, data, context):
    return None
"""


def trouble(room: Room, request: TrainRequest | PredictRequest) -> str | None:
    """Why the fresh ``room``, made for what ``request`` asks, does not manage the control job; None if it does."""
    try:
        with room:
            room.ready()
            job = _job(request)
            room.send(_files(job))
            ending = room.work(job.deadline_s)
            if ending is not Ending.REPORTED:
                return f"it ended as {ending.value}, with exit code {room.facts.exit_code}"
            reply = exchange.parse(room.read(paths.RESULT, caps.RESULT_BYTES), JobReply, caps.RESULT_BYTES)
    except (EngineError, Rejected) as error:
        return str(error)
    failures = [report.failure for report in reply.reports]
    return None if failures == [None] else f"it reported {failures}"


def _job(request: TrainRequest | PredictRequest) -> TrainRequest | PredictRequest:
    """The same task on the same device, once; one row to predict, with weights of ours."""
    once = {"seeds": request.seeds[:1], "deadline_s": min(request.deadline_s, _DEADLINE_S)}
    if isinstance(request, TrainRequest):
        return request.model_copy(update={**once, "overrides": {}})
    row = request.inputs.model_copy(update={"shape": (1, *request.inputs.shape[1:])})
    return request.model_copy(update={**once, "inputs": row, "handed_over": ()})


def _files(job: TrainRequest | PredictRequest) -> list[Outgoing]:
    files = [Outgoing(paths.REQUEST, job.model_dump_json().encode()), Outgoing(paths.SOURCE, _SOURCE.encode())]
    if isinstance(job, TrainRequest):
        return files
    inputs = Outgoing(paths.array_file("inputs"), bytes(job.inputs.nbytes))
    return [*files, Outgoing(paths.sent_weights(0), _weights(job.num_outputs)), inputs]


def _weights(num_outputs: int) -> bytes:
    """The constant's only parameter, zeros, as a safetensors file."""
    size = 4 * num_outputs
    header = json.dumps({"bias": {"dtype": "F32", "shape": [num_outputs], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)
