"""Bytes in and out of a room. The only place where bytes that came out of a container are parsed.

    parcel        files of ours become the tar stream that goes in
    tar           the tar stream that comes out, member by member
    archive       its members compared with what is expected
    message       JSON to typed messages
    weights       the header of a safetensors file
    predictions   raw float32 numbers

What comes out is hostile. Each reader takes bytes and gives a typed value or ``Rejected`` with the reason, in bounded
memory whatever the bytes are. Only regular files of an expected name and an allowed size are taken, nothing is
extracted as it comes, nothing is unpickled. Nothing here waits on a room: who reads from an engine keeps the deadline
(``sandbox.download``).
"""

from fumehood.sandbox.exchange.archive import Expected, Received, unpack
from fumehood.sandbox.exchange.message import parse
from fumehood.sandbox.exchange.parcel import Outgoing, Parcel
from fumehood.sandbox.exchange.predictions import read_predictions
from fumehood.sandbox.exchange.rejected import Rejected
from fumehood.sandbox.exchange.weights import count_parameters

__all__ = [
    "Expected",
    "Outgoing",
    "Parcel",
    "Received",
    "Rejected",
    "count_parameters",
    "parse",
    "read_predictions",
    "unpack",
]
