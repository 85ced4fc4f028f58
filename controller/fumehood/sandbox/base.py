"""The base image: a Python 3.11 that the sandbox image builds on, pinned by digest.

Three ways, tried in this order and always said: the one that was asked for (``BASE_IMAGE``); the slim Python image of
a registry, whose tag is resolved to a digest once and recorded for later builds; a Debian made with debootstrap, where
no registry answers and we are root. What was recorded and is still there is used again without asking anybody.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from filelock import FileLock
from platformdirs import user_data_path
from requests import RequestException

from fumehood import cache
from fumehood.errors import EngineError
from fumehood.records import Record
from fumehood.sandbox.engine import Progress, install_packages, is_debian_root
from fumehood.sandbox.wheels import PLATFORM

DEFAULT: Final = "python:3.11-slim"
REGISTRY_S: Final = 20.0
"""Longest wait for a registry's answer about a tag; the transfer itself is not bounded."""
SUITE: Final = "bookworm"
PACKAGES: Final = ("python3", "ca-certificates")
KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
STRIPPED: Final = (
    "var/cache/apt/*",
    "var/cache/debconf/*",
    "var/lib/apt/lists/*",
    "var/log/*",
    "usr/share/doc/*",
    "usr/share/info/*",
    "usr/share/lintian/*",
    "usr/share/locale/*",
    "usr/share/man/*",
    "usr/lib/python3*/**/__pycache__",
    "tmp/*",
    "var/tmp/*",
    "etc/resolv.conf",
    "etc/hostname",
    "debootstrap",
)
"""Removed from a debootstrap tree; every set-id bit goes as well."""

How = Literal["given", "registry", "debootstrap"]


class Base(Record):
    """The base image in use. ``reference`` is what FROM names; ``digest`` is the registry's, else the image's id."""

    reference: str
    digest: str
    how: How


class Debootstrap(NamedTuple):
    """What decides the content of a debootstrap base."""

    suite: str = SUITE
    packages: tuple[str, ...] = PACKAGES
    stripped: tuple[str, ...] = STRIPPED

    def tag(self) -> str:
        """``fumehood-base:HASH``"""
        return f"fumehood-base:{hashlib.sha256(repr(tuple(self)).encode()).hexdigest()[:12]}"


def ensure(
    client: docker.DockerClient, progress: Progress, *, given: str | None = None, default: str = DEFAULT
) -> Base:
    """The base image, present on the engine. ``given`` (else ``BASE_IMAGE``) overrides ``default``.

    Raises ``EngineError`` where the given image is nowhere to be had, or no registry answers and we are not root.
    """
    if wanted := given or os.environ.get("BASE_IMAGE"):
        return _given(client, wanted, progress)
    with FileLock(_record_file().with_suffix(".lock")):
        base = recorded(client, default)
        if base is None:
            base = _from_registry(client, default, progress) or _from_debootstrap(client, default, progress)
            _record(default, base)
    progress(f"base image: {base.reference} ({base.how})")
    return base


def recorded(client: docker.DockerClient, default: str = DEFAULT) -> Base | None:
    """The base of an earlier build, if it is still on the engine."""
    entry = _records().get(default)
    base = Base.model_validate(entry) if entry else None
    return base if base and _present(client, base) else None


def _present(client: docker.DockerClient, base: Base) -> bool:
    image = _local(client, base.reference)
    return image is not None and (base.how != "debootstrap" or image["Id"] == base.digest)


def _local(client: docker.DockerClient, reference: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.api.inspect_image(reference)
    except ImageNotFound:
        return None
    return found


def _given(client: docker.DockerClient, reference: str, progress: Progress) -> Base:
    """An image that was asked for: the local one of that name, else pulled."""
    if _local(client, reference) is None:
        progress(f"pulling {reference}")
        try:
            client.images.pull(reference, platform=PLATFORM)
        except (DockerException, RequestException) as error:
            raise EngineError(
                f"the base image {reference} is not on the engine and cannot be pulled: {error}",
                "load it (docker load), or leave BASE_IMAGE unset",
            ) from error
    image = _local(client, reference)
    if image is None:
        raise EngineError(f"the engine pulled {reference} but does not have it", "check the reference")
    progress(f"base image: {reference} (given)")
    return Base(reference=reference, digest=_digest(image), how="given")


def _digest(image: dict[str, Any]) -> str:
    """A registry's digest of an image, else its id."""
    digests = image.get("RepoDigests") or []
    return str(digests[0]).partition("@")[2] if digests else str(image["Id"])


def _from_registry(client: docker.DockerClient, reference: str, progress: Progress) -> Base | None:
    """Pull ``reference``, at its recorded digest if there is one; None where no registry answers."""
    progress(f"asking the registry for {reference} (up to {REGISTRY_S:.0f} s)")
    try:
        pinned = _recorded_digest(reference) or _resolve(client, reference)
        full = f"{_repository(reference)}@{pinned}"
        client.images.pull(full, platform=PLATFORM)
    except (DockerException, RequestException) as error:
        progress(f"no registry gave {reference}: {str(error)[:200]}")
        return None
    return Base(reference=full, digest=pinned, how="registry")


def _recorded_digest(reference: str) -> str | None:
    entry = _records().get(reference, {})
    return entry["digest"] if entry.get("how") == "registry" else None


def _resolve(client: docker.DockerClient, reference: str) -> str:
    """Digest that a registry's tag stands for now; Podman, which cannot look it up, pulls the tag to learn it."""
    if any(part.get("Name") == "Podman Engine" for part in client.version().get("Components") or ()):
        client.images.pull(reference, platform=PLATFORM)
        return _digest(client.api.inspect_image(reference))
    with _patience(client, REGISTRY_S):
        return str(client.api.inspect_distribution(reference)["Descriptor"]["digest"])


def _repository(reference: str) -> str:
    """``reference`` without its tag; the colon of a registry's port stays."""
    head, slash, tail = reference.rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}"


@contextmanager
def _patience(client: docker.DockerClient, seconds: float) -> Iterator[None]:
    """Another timeout for the requests within."""
    before = client.api.timeout
    client.api.timeout = seconds
    try:
        yield
    finally:
        client.api.timeout = before


def _from_debootstrap(client: docker.DockerClient, default: str, progress: Progress) -> Base:
    """A minimal Debian, made here. Raises ``EngineError`` where we may not or debootstrap fails."""
    recipe = Debootstrap()
    image = _local(client, recipe.tag())
    if image is None:
        if not is_debian_root():
            raise EngineError(
                f"no registry gives {default}, and a base image can be made here only by root on Debian or Ubuntu",
                "load the image (docker load), name another one with BASE_IMAGE, or run `make image` as root once",
            )
        _import(client, recipe, progress)
        image = client.api.inspect_image(recipe.tag())
    return Base(reference=recipe.tag(), digest=str(image["Id"]), how="debootstrap")


def _import(client: docker.DockerClient, recipe: Debootstrap, progress: Progress) -> None:
    missing = [
        p for p, there in (("debootstrap", shutil.which("debootstrap")), (KEYRING.stem, KEYRING.exists())) if not there
    ]
    if missing:
        install_packages(missing, progress)
    folder = cache.folder() / "base"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        tree = Path(scratch, "tree")
        progress(f"making a minimal Debian {recipe.suite} with debootstrap (about two minutes)")
        _debootstrap(recipe, tree)
        strip(tree, recipe.stripped)
        progress(f"importing it as {recipe.tag()}")
        _load(client, tree, recipe)


def command(recipe: Debootstrap, tree: Path) -> list[str]:
    """Signatures are checked against Debian's own keyring; an unsigned archive is refused."""
    options = ["--variant=minbase", "--force-check-gpg", f"--keyring={KEYRING}"]
    return ["debootstrap", *options, f"--include={','.join(recipe.packages)}", recipe.suite, str(tree)]


def _debootstrap(recipe: Debootstrap, tree: Path) -> None:
    done = subprocess.run(command(recipe, tree), capture_output=True, text=True, check=False)
    if done.returncode:
        said = "\n".join(done.stdout.splitlines()[-5:] + done.stderr.splitlines()[-5:])
        raise EngineError(f"debootstrap failed: {said}", "check the network, or name a base image with BASE_IMAGE")


def strip(tree: Path, patterns: tuple[str, ...]) -> None:
    """Remove what a room needs none of, and every set-id bit."""
    for pattern in patterns:
        for path in list(tree.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    for path in tree.rglob("*"):
        if not path.is_symlink() and path.stat().st_mode & 0o6000:
            path.chmod(path.stat().st_mode & 0o1777)


def _load(client: docker.DockerClient, tree: Path, recipe: Debootstrap) -> None:
    """Stream the tree into the engine as an image that says where it came from."""
    repository, _, tag = recipe.tag().partition(":")
    source = f"debootstrap --variant=minbase --include={','.join(recipe.packages)} {recipe.suite}"
    changes = ["LABEL fumehood.image=base", f'LABEL fumehood.base.source="{source}"']
    pack = ["tar", "--create", "--numeric-owner", "--sort=name", "--one-file-system", "-C", str(tree), "."]
    with subprocess.Popen(pack, stdout=subprocess.PIPE) as tar:
        try:
            client.api.import_image(src=tar.stdout, repository=repository, tag=tag, changes=changes, stream_src=True)
        except APIError as error:
            raise EngineError(f"the engine refused the base image: {error}", "see the engine's log") from error
    if tar.returncode:
        client.api.remove_image(recipe.tag())
        raise EngineError(
            f"packing the base image failed: tar ended with {tar.returncode}", "check the free disk space"
        )


def _record_file() -> Path:
    return user_data_path("fumehood", ensure_exists=True) / "base-images.json"


def _records() -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(_record_file().read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise EngineError(
            f"{_record_file()} is not JSON: {error}", "delete it; the next build writes it anew"
        ) from error
    return content


def _record(reference: str, base: Base) -> None:
    """Write the record anew, whole, by rename."""
    content = {**_records(), reference: base.model_dump()}
    draft = _record_file().with_suffix(".new")
    draft.write_text(json.dumps(content, indent=2) + "\n")
    draft.replace(_record_file())
