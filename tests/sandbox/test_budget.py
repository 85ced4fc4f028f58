"""How many rooms at once: what fits into memory and CPUs beside all other rooms, and one in any case."""

from pathlib import Path

import docker
import pytest

from fumehood.sandbox import budget

pytestmark = pytest.mark.unit

GIB = 2**30


class Engine(docker.APIClient):
    """Answers the one question that is asked, in the engine's own shape."""

    def __init__(self, *labels: dict[str, str]) -> None:
        self._labels = labels

    def containers(self, **_: object) -> list[dict[str, object]]:
        return [{"Id": str(number), "Labels": labels} for number, labels in enumerate(self._labels)]


@pytest.mark.parametrize(
    ("free", "each", "cpus", "expected"),
    [(24 * GIB, 5 * GIB, 8, 4), (24 * GIB, 5 * GIB, 2, 2), (3 * GIB, 5 * GIB, 8, 1), (-GIB, 5 * GIB, 8, 1)],
    ids=["memory", "CPUs", "too small", "overdrawn"],
)
def test_as_many_as_fit_and_one_in_any_case(free: int, each: int, cpus: int, expected: int) -> None:
    assert budget.at_once(free, each, cpus) == expected


@pytest.mark.parametrize(
    ("free", "each", "cpus", "seeds", "gpus", "expected"),
    [
        (64 * GIB, 4 * GIB, 16, 3, 0, 5),
        (64 * GIB, 4 * GIB, 16, 1, 0, 16),
        (9 * GIB, 4 * GIB, 16, 3, 0, 2),
        (64 * GIB, 4 * GIB, 2, 3, 0, 1),
        (64 * GIB, 4 * GIB, 16, 3, 2, 2),
        (64 * GIB, 4 * GIB, 16, 3, 8, 5),
        (-GIB, 4 * GIB, 16, 3, 0, 1),
    ],
    ids=["CPUs", "one seed", "memory", "fewer CPUs than seeds", "GPUs", "more GPUs than CPUs for them", "overdrawn"],
)
def test_as_many_candidates_as_there_are_cpus_memory_and_gpus_for(
    free: int, each: int, cpus: int, seeds: int, gpus: int, expected: int
) -> None:
    assert budget.candidates(free, each, cpus, seeds, gpus) == expected


def test_other_rooms_claim_what_they_may_use(tmp_path: Path) -> None:
    engine = Engine(budget.label(2 * GIB), budget.label(3 * GIB))
    assert budget.free_bytes(engine, 24 * GIB, tmp_path / "absent") == 19 * GIB


@pytest.mark.parametrize("text", ["", "-5", "1e9", "9" * 400, "²", "much"])
def test_a_label_that_is_no_size_claims_nothing(tmp_path: Path, text: str) -> None:
    assert budget.free_bytes(Engine({budget.BYTES: text}), GIB, tmp_path / "absent") == GIB


@pytest.mark.parametrize(("total", "expected"), [(8 * GIB, GIB), (16 * GIB, 16 * GIB)], ids=["here", "elsewhere"])
def test_on_this_machine_no_more_than_is_unused(tmp_path: Path, total: int, expected: int) -> None:
    (tmp_path / "meminfo").write_text(f"MemTotal: {8 * 2**20} kB\nMemFree: 1 kB\nMemAvailable: {2**20} kB\n")
    assert budget.free_bytes(Engine(), total, tmp_path / "meminfo") == expected
