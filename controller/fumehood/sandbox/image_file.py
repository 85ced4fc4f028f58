"""Our images as one file, for machines without a network: written from one engine, loaded into another.

The file is what ``docker save`` writes, with its SHA-256 beside it as ``sha256sum`` writes it. It gets its name when it
is whole, so that there is never a part of one under it. A file is loaded only if it holds our two images and nothing
else, and what was loaded is removed again if it is not what the file said, or fails ``image verify``.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, Final

import docker
from docker.errors import APIError, ImageNotFound

from fumehood.errors import EngineError, UsageError
from fumehood.records import Record
from fumehood.sandbox import image, image_archive, image_checks
from fumehood.sandbox.engine import Progress
from fumehood.sandbox.image import Images, Stage, Variant
from fumehood.sandbox.image_archive import Archived
from fumehood.sandbox.room import engine_errors

SILENCE_S: Final = 900.0
"""Longest silence of an engine that packs or unpacks gigabytes."""
SUM: Final = ".sha256"
_CHUNK: Final = 1024 * 1024
_SUM_LINE: Final = re.compile(rb"([0-9a-f]{64}) [ *][^\n]*\n?")
_TELL_EVERY: Final = 256 * _CHUNK


class Saved(Record):
    """A file that was written, and what is in it."""

    path: str
    size: int
    sha256: str
    images: Images


def save(client: docker.DockerClient, images: Images, path: Path, progress: Progress) -> Saved:
    """Write ``images`` to ``path`` and their digest to ``path.sha256``. Raises UsageError where one of them exists."""
    total = hashlib.sha256()
    beside = _sum_file(path)
    for place in (path, beside):
        if place.exists() or place.is_symlink():
            raise UsageError(f"{place} is there already", "name another file, or remove it")
    tags = [images.sandbox.tag, images.prepare.tag]
    progress(f"the engine packs {' and '.join(tags)}; that may take a minute")
    with _whole(path) as file:
        for chunk in _told(_packed(client, tags), "written", progress):
            total.update(chunk)
            file.write(chunk)
        size = file.tell()
    with _whole(beside) as file:
        file.write(f"{total.hexdigest()}  {path.name}\n".encode())
    return Saved(path=str(path), size=size, sha256=total.hexdigest(), images=images)


def load(client: docker.DockerClient, path: Path, variant: Variant, progress: Progress) -> Images:
    """The images of ``path``, on the engine and verified.

    Raises UsageError for a file that is damaged or holds anything but the images of the present sources, EngineError
    where the engine refuses them or what it has then is not what the file said or fails verification; what was loaded
    is removed again then.
    """
    found, new = bring(client, path, variant, progress)
    progress("looking at the images from inside")
    expected = image.own_digests()
    with _removed_on_error(client, new):
        failed = [
            check.name
            for stage, fact in (("sandbox", found.sandbox), ("prepare", found.prepare))
            for check in image_checks.checks(client, fact, stage, expected)  # type: ignore[arg-type]  # a literal above
            if not check.passed
        ]
        if failed:
            raise EngineError(
                f"the images of {path} fail verification: {', '.join(failed)}", "do not trust where the file came from"
            )
    return found


def bring(
    client: docker.DockerClient, path: Path, variant: Variant, progress: Progress
) -> tuple[Images, tuple[str, ...]]:
    """As ``load``, without looking at the images from inside; also the tags that were not there before."""
    with _opened(path) as file:
        _check_sum(path, file, progress)
        wanted = image_archive.read(file, variant)
        absent = tuple(it.tag for it in wanted.values() if not _is_there(client, it))
        if absent:
            file.seek(0)
            with _removed_on_error(client, absent):
                _unpack(client, file, {it.tag for it in wanted.values()}, progress)
                _compare(client, wanted)
        else:
            progress("the engine has these images already")
    facts = {stage: image.fact(client, it.tag) for stage, it in wanted.items()}
    return Images(sandbox=facts["sandbox"], prepare=facts["prepare"]), absent


# ---- files -----------------------------------------------------------------------------------------------------------


def _sum_file(path: Path) -> Path:
    if not path.name.isprintable():
        raise UsageError("the file's name has characters that cannot be printed", "choose another name")
    return path.with_name(path.name + SUM)


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name when it is whole, and is gone where it does not become so."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    if not path.is_file():
        raise UsageError(f"{path} is not a file", "give the file that `fumehood image save` wrote")
    with path.open("rb") as file:
        yield file


def _check_sum(path: Path, file: BufferedReader, progress: Progress) -> None:
    """Is the file as it was when it was written?"""
    beside = _sum_file(path)
    try:
        with beside.open("rb") as sums:
            match = _SUM_LINE.fullmatch(sums.read(_CHUNK))
    except FileNotFoundError:
        raise UsageError(f"{beside} is not there", "copy both files; `sha256sum` makes it anew") from None
    if match is None:
        raise UsageError(f"{beside} does not hold one checksum", "copy it again; `sha256sum` makes it anew")
    progress(f"checking {path}")
    found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != match[1].decode():
        raise UsageError(
            f"{path} is damaged: its SHA-256 is {found}, and {beside.name} says {match[1].decode()}", "copy it again"
        )
    progress(f"SHA-256 {found}: compare it with what `fumehood image save` printed")
    file.seek(0)


# ---- the engine ------------------------------------------------------------------------------------------------------


def _packed(client: docker.DockerClient, tags: list[str]) -> Iterator[bytes]:
    """One archive of several images, in which layers that they share are written once."""
    api = client.api
    url = f"{api.base_url}/v{api.api_version}/images/get"
    with (
        engine_errors("packing the images"),
        api.get(url, params={"names": tags}, stream=True, timeout=SILENCE_S) as answer,
    ):
        answer.raise_for_status()
        yield from answer.iter_content(_CHUNK)


def _told(chunks: Iterator[bytes], what: str, progress: Progress) -> Iterator[bytes]:
    """``chunks`` as they come, saying now and then how many bytes there were."""
    count, said = 0, 0
    for chunk in chunks:
        yield chunk
        count += len(chunk)
        if count - said >= _TELL_EVERY:
            said = count
            progress(f"  {count / 1e6:.0f} MB {what}")


def _unpack(client: docker.DockerClient, file: IO[bytes], tags: set[str], progress: Progress) -> None:
    """Let the engine load the archive. Raises EngineError if it fails, or says that it loaded anything else."""
    loaded: list[str] = []
    with engine_errors("loading the images"):
        for line in client.api.load_image(_told(iter(lambda: file.read(_CHUNK), b""), "sent", progress)):
            if "error" in line:
                raise EngineError(f"the engine refused the images: {str(line['error'])[:300]}", "see the engine's log")
            if (text := str(line.get("stream", "")).strip()).startswith("Loaded image"):
                loaded.append(text.partition(": ")[2].removeprefix("localhost/"))
    if other := [name for name in loaded if name not in tags]:
        raise EngineError(
            f"the engine loaded {other[0][:100]}, which the file did not name", "remove it from the engine"
        )


def _inspected(client: docker.DockerClient, tag: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.api.inspect_image(tag)
    except ImageNotFound:
        return None
    return found


def _is_there(client: docker.DockerClient, wanted: Archived) -> bool:
    """Whether the engine has this very image. Raises EngineError where it has another one of that name."""
    found = _inspected(client, wanted.tag)
    if found is not None and (different := wanted.differences(found)):
        raise EngineError(
            f"the engine has another {wanted.tag}, of other {', '.join(different)}",
            f"it was built here: use it, or remove it first (docker rmi {wanted.tag})",
        )
    return found is not None


def _compare(client: docker.DockerClient, wanted: dict[Stage, Archived]) -> None:
    for it in wanted.values():
        found = _inspected(client, it.tag)
        different = it.differences(found) if found else ["everything: it is not there"]
        if different:
            raise EngineError(
                f"what the engine loaded as {it.tag} differs from the file in {', '.join(different)}",
                "do not trust where the file came from",
            )


@contextlib.contextmanager
def _removed_on_error(client: docker.DockerClient, tags: tuple[str, ...]) -> Iterator[None]:
    """Take back what was loaded, whatever goes wrong, an interruption included."""
    try:
        yield
    except BaseException:
        for tag in tags:
            with contextlib.suppress(APIError):
                client.api.remove_image(tag)
        raise
