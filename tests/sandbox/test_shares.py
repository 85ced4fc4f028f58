"""What several candidates at once get of the machine: a share each, and never two of them the same GPU."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import pytest
from cages import a_grant

from fumehood import policy
from fumehood.sandbox.cage import DataVolume, Gpu
from fumehood.sandbox.group import RoomGroup
from fumehood.sandbox.host import Host
from fumehood.sandbox.pool import Pair, Pool

pytestmark = pytest.mark.unit


class FakeRoom:
    """A room of a host, without an engine."""

    is_connected = True

    def __init__(self, host: Host) -> None:
        self.host, self.closed = host, False

    def __enter__(self) -> Self:
        return self

    def ready(self) -> None: ...

    def join(self, group: RoomGroup) -> None: ...

    def end(self) -> None: ...

    def close(self) -> None:
        self.closed = True


@dataclass(frozen=True)
class FakeHost(Host):
    def pair(self, data: DataVolume) -> Any:
        return FakeRoom(self), FakeRoom(self)


def host(cpus: int = 8, gpus: int = 0) -> FakeHost:
    grant = a_grant(*(Gpu(f"GPU-{k}", f"GPU-{k}") for k in range(gpus))) if gpus else None
    nothing: dict[str, Any] = dict.fromkeys(("api", "images", "owner", "events"))
    limits = policy.load("gpu" if gpus else "standard")
    return FakeHost(**nothing, policy=limits, cpus=cpus, grant=grant, confinement=None, memory_bytes=0)


def gpus_of(given: Host) -> list[str]:
    return [gpu.uuid for gpu in given.grant.gpus] if given.grant else []


@pytest.mark.parametrize(("cpus", "parallel", "each"), [(8, 1, 8), (8, 3, 2), (2, 2, 1), (1, 4, 1)])
def test_cpus_are_shared_out_whole(cpus: int, parallel: int, each: int) -> None:
    (share,) = host(cpus).shared_among(parallel)
    assert share.cpus == each


@pytest.mark.parametrize(
    ("gpus", "parallel", "shares"),
    [
        (1, 4, [["GPU-0"]]),
        (4, 1, [["GPU-0", "GPU-1", "GPU-2", "GPU-3"]]),
        (4, 2, [["GPU-0", "GPU-2"], ["GPU-1", "GPU-3"]]),
        (2, 5, [["GPU-0"], ["GPU-1"]]),
    ],
)
def test_every_gpu_is_in_one_share(gpus: int, parallel: int, shares: list[list[str]]) -> None:
    assert [gpus_of(share) for share in host(gpus=gpus).shared_among(parallel)] == shares


@contextlib.contextmanager
def pool(gpus: int, places: int) -> Iterator[Pool]:
    with Pool(host(gpus=gpus).shared_among(gpus), DataVolume("data"), places) as opened:
        yield opened


def gpu(pair: Pair) -> str:
    (found,) = gpus_of(pair.train.host)  # type: ignore[attr-defined]
    return found


def test_two_candidates_at_once_never_have_the_same_gpu() -> None:
    with pool(gpus=2, places=2) as rooms, rooms.pair(RoomGroup()) as first:
        for _ in range(5):
            with rooms.pair(RoomGroup()) as second:
                assert gpu(second) != gpu(first)
            rooms.settle()


def test_a_job_of_many_pairs_has_as_many_ahead_as_places() -> None:
    with Pool(host().shared_among(1), DataVolume("data"), 2) as rooms:
        rooms.expect(5, more=False)
        assert len(rooms._ahead) == 2
        for left in (4, 3, 2, 1, 0):
            with rooms.pair(RoomGroup()):
                assert len(rooms._ahead) == min(left, 2)
            rooms.settle()


def test_every_pair_that_was_made_is_closed_at_the_end() -> None:
    with pool(gpus=2, places=2) as rooms:
        rooms.expect(2, more=True)
        with rooms.pair(RoomGroup()) as first:
            rooms.settle()
        made = [first, *rooms._made]
    assert len(made) > 1
    assert all(room.closed for pair in made for room in (pair.train, pair.predict))  # type: ignore[attr-defined]
