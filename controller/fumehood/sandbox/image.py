"""The sandbox image: its name says what it was made of, and it is built only where that name is not there yet.

Two stages: ``sandbox``, where generated code runs, and ``prepare`` for our own loader. A tag is the digest of every
input (base, Dockerfiles, lock files, entry point, runner, wire format), so an image of other sources is never taken for
the present one. The libraries are images of their own below the two (``fumehood-site-STAGE``), so that a change of our
code rebuilds in seconds. Built by the engine's own builder without a network; the context is streamed from a file.
"""

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, Literal, NamedTuple, cast, get_args

import docker
from docker.errors import APIError, BuildError, ImageNotFound
from requests import RequestException

from fumehood import __version__, assets, cache
from fumehood.errors import EngineError, UsageError
from fumehood.records import ImageFact, Record
from fumehood.sandbox import base as base_image
from fumehood.sandbox import image_checks, wheels
from fumehood.sandbox.base import Base
from fumehood.sandbox.engine import Progress
from fumehood.sandbox.image_checks import Check
from fumehood.sandbox.room import engine_errors

Variant = Literal["cpu", "cuda"]
Stage = Literal["sandbox", "prepare"]

STAGES: Final[tuple[Stage, ...]] = ("sandbox", "prepare")
LABEL_STAGE: Final = "fumehood.image"
LABEL_SOURCES: Final = "fumehood.sources"
LABEL_INPUTS: Final = "fumehood.inputs"
LABEL_VARIANT: Final = "fumehood.variant"
LABEL_VERSION: Final = "fumehood.version"
LABEL_BASE: Final = "fumehood.base.reference"
LABEL_BASE_DIGEST: Final = "fumehood.base.digest"
SITE_DOCKERFILE: Final = "Dockerfile.site"
BUILD_HINT: Final = "run `fumehood image build` (or `make image`)"


class Images(Record):
    """The two images that rooms run from."""

    sandbox: ImageFact
    prepare: ImageFact


class Source(NamedTuple):
    """One file of ours in the image."""

    name: str
    """Its path in the build context, and below ``/opt/fumehood`` in the image."""
    path: Path


def as_variant(name: str) -> Variant:
    """``name`` as a variant. Raises ``UsageError`` where there is none of that name."""
    for variant in get_args(Variant):
        if name == variant:
            return cast(Variant, variant)
    raise UsageError(f"there is no image variant {name!r}", f"choose one of {', '.join(get_args(Variant))}")


def ensure(
    client: docker.DockerClient, *, variant: Variant = "cpu", base: str | None = None, progress: Progress
) -> Images:
    """The images of the present sources, built where they are missing. ``base`` names another base image.

    Raises ``EngineError`` where no base or no wheel can be had, or the engine fails to build.
    """
    _check_platform(client)
    if there := _loaded(client, variant, base):
        progress(f"ready: {there.sandbox.tag} and {there.prepare.tag}, built elsewhere")
        return there
    chosen = base_image.ensure(client, progress, given=base)
    with wheels.build_lock():
        missing = [stage for stage in STAGES if not _is_there(client, tag(stage, variant, chosen))]
        if missing:
            _ensure_sites(client, variant, chosen, progress)
        for stage in missing:
            _build_stage(client, stage, variant, chosen, progress)
    facts = {stage: fact(client, tag(stage, variant, chosen)) for stage in STAGES}
    progress(f"ready: {facts['sandbox'].tag} and {facts['prepare'].tag}")
    return Images(sandbox=facts["sandbox"], prepare=facts["prepare"])


def _loaded(client: docker.DockerClient, variant: Variant, base: str | None) -> Images | None:
    """Images of the present sources on an engine where this user never chose a base: they came by ``image load``."""
    if base or os.environ.get("BASE_IMAGE") or base_image.recorded(client):
        return None
    try:
        return find(client, variant)
    except EngineError:
        return None


def find(client: docker.DockerClient, variant: Variant = "cpu") -> Images:
    """The images of the present sources. Raises ``EngineError`` where they are absent or of another version, or carry
    variables that would act before our own first program does.

    Where several bases were used, ``BASE_IMAGE`` chooses; without it the newest image is taken.
    """
    with engine_errors("looking for the image"):
        return Images(sandbox=_find_stage(client, "sandbox", variant), prepare=_find_stage(client, "prepare", variant))


def verify(client: docker.DockerClient, variant: Variant = "cpu") -> list[Check]:
    """What throw-away containers of the present images show about them. Raises ``EngineError`` as ``find`` does."""
    images = find(client, variant)
    expected = own_digests()
    return [
        *image_checks.checks(client, images.sandbox, "sandbox", expected),
        *image_checks.checks(client, images.prepare, "prepare", expected),
    ]


def tag(stage: Stage, variant: Variant, base: Base) -> str:
    """``fumehood-STAGE:HASH`` of all inputs."""
    return tag_on(stage, variant, base.digest)


def tag_on(stage: Stage, variant: Variant, base_digest: str) -> str:
    """As ``tag``, for a base of which only the digest is known."""
    return f"fumehood-{stage}:{_inputs(variant, base_digest)[:16]}"


def own_files() -> Iterator[Source]:
    """Every file of ours that goes into the image, in a fixed order."""
    image = assets.sandbox_image()
    yield Source("enter.py", image / "enter.py")
    yield Source("app/torchvision_shim.py", image / "torchvision_shim.py")
    for package in (image / "fumehood_runner", assets.shared() / "fumehood_shared"):
        for path in sorted(package.rglob("*")):
            if path.is_file() and path.suffix in (".py", ".typed"):
                yield Source(f"app/{package.name}/{path.relative_to(package)}", path)


def own_digests() -> dict[str, str]:
    """Name below ``/opt/fumehood`` -> SHA-256 of every file of ours."""
    return {source.name: hashlib.sha256(source.path.read_bytes()).hexdigest() for source in own_files()}


def sources_digest(variant: Variant) -> str:
    """SHA-256 over everything but the base: Dockerfile, lock files, our files, platform, version."""
    state = hashlib.sha256(f"{variant} {wheels.PLATFORM} {__version__}\n".encode())
    state.update(_dockerfile("Dockerfile").path.read_bytes())
    state.update("".join(f"{name} {digest}\n" for name, digest in own_digests().items()).encode())
    state.update(_site_digest(variant).encode())
    return state.hexdigest()


def _site_digest(variant: Variant) -> str:
    """SHA-256 over what decides the library images but the base: their Dockerfile and the lock files."""
    state = hashlib.sha256(_dockerfile(SITE_DOCKERFILE).path.read_bytes())
    for lock in _locks(variant).values():
        state.update(f"{lock.name} {wheels.digest(lock)}\n".encode())
    return state.hexdigest()


def _site_tag(stage: Stage, variant: Variant, base: Base) -> str:
    return f"fumehood-site-{stage}:{hashlib.sha256(f'{_site_digest(variant)} {base.digest}'.encode()).hexdigest()[:16]}"


def _dockerfile(name: str) -> Source:
    return Source(name, assets.sandbox_image() / name)


def _inputs(variant: Variant, base_digest: str) -> str:
    return hashlib.sha256(f"{sources_digest(variant)} {base_digest}".encode()).hexdigest()


def _locks(variant: Variant) -> dict[str, Path]:
    """Folder in the build context -> lock file of the packages in it."""
    folder = assets.sandbox_image()
    return {"site": folder / f"requirements-{variant}.txt", "site-prepare": folder / "requirements-prepare.txt"}


def _check_platform(client: docker.DockerClient) -> None:
    """The lock files hold wheels of one platform."""
    version = client.version()
    found = f"{version.get('Os')}/{version.get('Arch')}"
    if found != wheels.PLATFORM:
        raise EngineError(
            f"the engine runs {found}, and the image's lock files are for {wheels.PLATFORM}",
            f"use an engine on {wheels.PLATFORM} (DOCKER_HOST or a Docker context may point at one)",
        )


# ---- finding -----------------------------------------------------------------------------------------------------


def _find_stage(client: docker.DockerClient, stage: Stage, variant: Variant) -> ImageFact:
    wanted = {LABEL_STAGE: stage, LABEL_VARIANT: variant, LABEL_SOURCES: sources_digest(variant)}
    if given := os.environ.get("BASE_IMAGE"):
        wanted[LABEL_BASE] = given
    found = _labelled(client, wanted)
    if not found:
        raise _absent(client, stage, variant)
    newest = max(found, key=lambda image: int(image["Created"]))["Id"]
    if acting := image_checks.loader_settings(client.api.inspect_image(newest)):
        names = ", ".join(entry.partition("=")[0] for entry in acting)
        raise EngineError(
            f"the {stage} image carries variables that act before a room's first program: {names}",
            "remove it from the engine, look at the base it was built on, and run `fumehood image build`",
        )
    return fact(client, newest)


def _labelled(client: docker.DockerClient, labels: dict[str, str]) -> list[dict[str, Any]]:
    filters = {"label": [f"{key}={value}" for key, value in labels.items()]}
    images: list[dict[str, Any]] = client.api.images(filters=filters)
    return [image for image in images if any(_is_ours(t) for t in image.get("RepoTags") or ())]


def _is_ours(image_tag: str) -> bool:
    """Podman puts ``localhost/`` before local names."""
    return image_tag.removeprefix("localhost/").startswith(("fumehood-sandbox:", "fumehood-prepare:"))


def _absent(client: docker.DockerClient, stage: Stage, variant: Variant) -> EngineError:
    if _labelled(client, {LABEL_STAGE: stage, LABEL_VARIANT: variant}):
        return EngineError(
            f"the {variant} {stage} image on the engine is of another version than this program", BUILD_HINT
        )
    option = "" if variant == "cpu" else f" --variant {variant}"
    return EngineError(
        f"the {variant} {stage} image is not on the engine", BUILD_HINT.replace("build`", f"build{option}`")
    )


def fact(client: docker.DockerClient, reference: str) -> ImageFact:
    """What the engine says of one of our images."""
    image = client.api.inspect_image(reference)
    labels = image["Config"]["Labels"] or {}
    return ImageFact(
        tag=next(t for t in image["RepoTags"] if _is_ours(t)),
        image_id=image["Id"],
        base=labels.get(LABEL_BASE, ""),
        base_digest=labels.get(LABEL_BASE_DIGEST, ""),
    )


# ---- building ----------------------------------------------------------------------------------------------------


def _is_there(client: docker.DockerClient, name: str) -> bool:
    try:
        client.api.inspect_image(name)
    except ImageNotFound:
        return False
    return True


def _labels(stage: Stage, variant: Variant, base: Base) -> dict[str, str]:
    return {
        LABEL_STAGE: stage,
        LABEL_VARIANT: variant,
        LABEL_VERSION: __version__,
        LABEL_SOURCES: sources_digest(variant),
        LABEL_INPUTS: _inputs(variant, base.digest),
        LABEL_BASE: base.reference,
        LABEL_BASE_DIGEST: base.digest,
    }


def _ensure_sites(client: docker.DockerClient, variant: Variant, base: Base, progress: Progress) -> None:
    """Build the images that hold the libraries, where they are missing."""
    tags = {stage: _site_tag(stage, variant, base) for stage in STAGES}
    if all(_is_there(client, name) for name in tags.values()):
        return
    with (
        wheels.unpacked(_locks(variant), progress) as trees,
        _context([_dockerfile(SITE_DOCKERFILE)], trees) as context,
    ):
        for stage, name in tags.items():
            progress(f"building {name}")
            options = {"dockerfile": SITE_DOCKERFILE, "target": f"{stage}-site", "buildargs": {"BASE": base.reference}}
            _build(client, context, progress, tag=name, labels={LABEL_STAGE: f"site-{stage}"}, **options)


def _build_stage(client: docker.DockerClient, stage: Stage, variant: Variant, base: Base, progress: Progress) -> None:
    """Build one image of rooms on the libraries' images."""
    name = tag(stage, variant, base)
    progress(f"building {name}")
    sites = {f"{s.upper()}_SITE": _site_tag(s, variant, base) for s in STAGES}
    with _context([_dockerfile("Dockerfile"), *own_files()], {}) as context:
        labels = _labels(stage, variant, base)
        _build(client, context, progress, tag=name, target=stage, buildargs=sites, labels=labels)


def _build(client: docker.DockerClient, context: IO[bytes], progress: Progress, **options: Any) -> None:
    context.seek(0)
    fixed = {"custom_context": True, "network_mode": "none", "rm": True, "forcerm": True, "decode": True}
    try:
        _follow(client.api.build(fileobj=context, **fixed, **options), progress)
    except (APIError, BuildError, RequestException) as error:
        raise EngineError(f"the engine failed to build {options['tag']}: {error}", "see the engine's log") from error


def _follow(lines: Iterator[dict[str, Any]], progress: Progress) -> None:
    """Read a build to its end, passing its steps on. Raises ``EngineError`` with the engine's words where it fails."""
    printed: list[str] = []
    for line in lines:
        if "error" in line:
            said = " ".join([*printed[-5:], str(line["error"])])
            raise EngineError(
                f"building the image failed: {said[:800]}", "check the free disk space and the engine's log"
            )
        text = str(line.get("stream", "")).strip()
        if text.startswith("Step "):
            step = text.splitlines()[0].partition(" : ")[2]
            if step.startswith(("COPY", "RUN")):
                progress(f"  {step[:100]}")
        elif text and not text.startswith("--->"):
            printed.append(text)


@contextmanager
def _context(files: Iterable[Source], trees: Mapping[str, Path]) -> Iterator[IO[bytes]]:
    """A build context as an open tar file, with fixed owners, modes and times: unchanged layers are reused."""
    with tempfile.TemporaryFile(dir=cache.folder()) as out:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, path in [*files, *sorted(trees.items())]:
                tar.add(path, name, filter=_plain)
        yield out


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """The same member whoever packs it: root's, readable by all, writable by its owner, dated 1980."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = 315532800
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member
