"""What an image shows when it is looked at from inside a container without network, rights or a writable disk.

The look itself is ``sandbox_image/inspect_image.py``; here its findings are judged. Nothing is taken from the image's
labels: an image with the right name and other content fails.
"""

import json
from typing import Any, Final, Literal

import docker
from docker.errors import APIError
from requests import RequestException

from fumehood import assets
from fumehood.errors import EngineError
from fumehood.records import ImageFact, Record

MAX_BYTES: Final = {"sandbox": 1_600_000_000, "prepare": 2_400_000_000}
"""Largest size on disk of the cpu images; those for GPUs carry NVIDIA's libraries and are not bounded."""
KNOWN_DATA: Final = frozenset(
    {"site/scipy/stats/_sobol_direction_numbers.npz", "site/networkx/generators/atlas.dat.gz"}
)
"""Tables that are no data sets: directions of Sobol sequences, an atlas of small graphs."""
_ENVIRONMENT: Final = {("PYTHONHASHSEED", "0"), ("LC_CTYPE", "C.UTF-8")}
"""What the entry point sets, and what Python itself does at start-up where the locale is C."""
LOOK_S: Final = 120
OUTPUT_BYTES: Final = 256 * 1024
DANGEROUS: Final = ("LD_", "NVIDIA_", "CUDA_", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME")
"""Variables that act before our first program can drop them: on the loader, the interpreter, the vendor's runtime."""


class Check(Record):
    """One finding. ``seen`` tells what was there, for people."""

    name: str
    passed: bool
    seen: str


def checks(
    client: docker.DockerClient, image: ImageFact, stage: Literal["sandbox", "prepare"], expected: dict[str, str]
) -> list[Check]:
    """Judge one image; ``expected`` maps our files' names below ``/opt/fumehood`` to their SHA-256.

    Raises ``EngineError`` where the container cannot be run or tells nothing.
    """
    config = client.api.inspect_image(image.image_id)
    found = _look(client, image, stage, user="0:0")
    plain = _look(client, image, stage, user=None)
    named = [
        _none("libraries import", plain["failures"]),
        Check(name="runs as nobody", passed=plain["uid"] not in (0, None), seen=f"uid {plain['uid']}"),
        _none("no environment reaches the entry point", plain["environment"].items() - _ENVIRONMENT),
        _none("no loader settings in the image", loader_settings(config)),
        _none("no set-id files", found["set_ids"]),
        _none("no compiler", found["compilers"]),
        _none("no caches or logs", found["caches"]),
        _none("mount points are empty", found["not_empty"]),
        _none("our files are the present ones", _differences(found["digests"], expected)),
        _none("no packages that do not belong", set(found["foreign"]) - _welcome(stage)),
    ]
    if stage == "sandbox":
        named.append(_none("no data sets", set(found["data_files"]) - KNOWN_DATA))
    if "+cpu" in found["torch"]:
        named.append(_size(config["Size"], MAX_BYTES[stage]))
    return [c.model_copy(update={"name": f"{stage}: {c.name}"}) for c in named]


def _none(name: str, unwanted: Any) -> Check:
    """Passed where there is nothing unwanted."""
    items = sorted(map(str, unwanted.items() if isinstance(unwanted, dict) else unwanted))
    return Check(name=name, passed=not items, seen=", ".join(items)[:500] or "none")


def _size(size: int, limit: int) -> Check:
    return Check(name="size", passed=size <= limit, seen=f"{size / 1e6:.0f} MB of at most {limit / 1e6:.0f} MB")


def _welcome(stage: str) -> set[str]:
    return {"sklearn", "pyarrow"} if stage == "prepare" else set()


def loader_settings(config: dict[str, Any]) -> list[str]:
    """Entries of an inspected image's environment that no room may start with."""
    return [entry for entry in config["Config"].get("Env") or () if entry.startswith(DANGEROUS)]


def _differences(found: dict[str, str], expected: dict[str, str]) -> set[str]:
    """Names of files that are missing, added or different."""
    return {name for name, _ in found.items() ^ expected.items()}


def _look(client: docker.DockerClient, image: ImageFact, stage: str, user: str | None) -> dict[str, Any]:
    """Run the look as ``user`` (None: the image's own) and return its findings."""
    program = (assets.sandbox_image() / "inspect_image.py").read_text()
    container = client.containers.create(
        image.image_id,
        entrypoint=["/opt/fumehood/python", "-I", "-S", "-B", "-X", "utf8", "-c", program],
        command=[stage],
        environment={"FUMEHOOD_PROBE": "must not arrive", "PYTHONHASHSEED": "1", "PYTHONPATH": "/exchange"},
        user=user,
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mem_limit="2g",
        pids_limit=128,
        labels={"fumehood.image": "look"},
    )
    try:
        container.start()
        status = container.wait(timeout=LOOK_S)["StatusCode"]
        said = container.logs(stdout=True, stderr=bool(status), tail=50)[-OUTPUT_BYTES:].decode(errors="replace")
        return _findings(said, status, image)
    except (APIError, RequestException) as error:
        raise EngineError(f"a container of {image.tag} could not be run: {error}", "see the engine's log") from error
    finally:
        container.remove(force=True)


def _findings(said: str, status: int, image: ImageFact) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise EngineError(
            f"a container of {image.tag} ended with {status} and did not tell what it saw: {said[-600:]!r}",
            "rebuild the image: remove it from the engine and run `fumehood image build`",
        ) from None
    return found
