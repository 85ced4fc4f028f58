"""What the header of a safetensors file says, believed only where the file bears it out. The tensors are not read."""

from collections.abc import Mapping
from typing import Any

from fumehood.sandbox.exchange.message import strict_json
from fumehood.sandbox.exchange.rejected import Rejected
from fumehood_shared import caps

_LENGTH_BYTES = 8
_FIELDS = {"dtype", "shape", "data_offsets"}
_ITEM_BYTES = {
    "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2, "I8": 1,
    "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "C64": 8,
}  # fmt: skip


def count_parameters(head: bytes, size: int) -> int:
    """Parameters and buffers in a safetensors file of ``size`` bytes, of which ``head`` is the beginning.

    It is max(elements, bytes / 4), from the checked header: bytes count too because an element of 8 bytes can carry
    two numbers. Raises Rejected for a header that is too long, carries metadata, leaves gaps, overlaps or does not end
    where the file ends.
    """
    length = int.from_bytes(head[:_LENGTH_BYTES], "little")
    if not 2 <= length <= min(caps.SAFETENSORS_HEADER_BYTES, size - _LENGTH_BYTES):
        raise Rejected("the weights file has a header of an impossible length")
    data_bytes = size - _LENGTH_BYTES - length
    return max(_check_tensors(_table(head[_LENGTH_BYTES : _LENGTH_BYTES + length]), data_bytes), data_bytes // 4)


def _table(raw: bytes) -> dict[str, Any]:
    header = strict_json(raw, "the weights file's header")
    if not isinstance(header, dict) or "__metadata__" in header or len(header) > caps.TENSORS:
        raise Rejected("the weights file has metadata, too many tensors, or no table of tensors")
    return header


def _check_tensors(header: Mapping[str, Any], data_bytes: int) -> int:
    """Sum of elements; the tensors must fill the data exactly, one after another."""
    spans, elements = [], 0
    for entry in header.values():
        begin, end, count = _tensor(entry)
        spans.append((begin, end))
        elements += count
    position = 0
    for begin, end in sorted(spans):
        if begin != position:
            raise Rejected("the weights file has gaps or overlapping tensors")
        position = end
    if position != data_bytes:
        raise Rejected("the weights file does not end where its header says")
    return elements


def _tensor(entry: Any) -> tuple[int, int, int]:
    try:
        item, shape, (begin, end) = _ITEM_BYTES[entry["dtype"]], entry["shape"], entry["data_offsets"]
        numbers = [*shape, begin, end]
    except (KeyError, TypeError, ValueError) as error:
        raise Rejected("the weights file has a tensor that is described wrongly") from error
    if set(entry) != _FIELDS:
        raise Rejected("the weights file has a tensor that is described wrongly")
    if any(type(n) is not int or not 0 <= n < 2**48 for n in numbers) or len(shape) > 16:
        raise Rejected("the weights file has a tensor of an impossible shape")
    count = 1
    for n in shape:
        count *= n
    if count * item != end - begin:
        raise Rejected("the weights file has a tensor whose shape and size disagree")
    return begin, end, count
