"""The archive that carries our images from one engine to another: what it says it holds, and whether that is ours.

Reads a file and asks no engine; nothing is extracted. What an archive says of an image is bound to its content by the
digests of its layers: the engine checks them as it loads them, and they are compared again afterwards (``image_file``).
"""

import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from fumehood.errors import UsageError
from fumehood.sandbox import image, image_checks, wheels
from fumehood.sandbox.image import Stage, Variant

_MANIFEST: Final = "manifest.json"
_INDEX: Final = "index.json"
_SMALL: Final = 4 * 1024 * 1024
"""Bytes of any description in an archive; a few thousand are usual."""
_MEMBERS: Final = 10_000
_BOUND: Final = ("User", "Env", "Entrypoint", "Cmd", "WorkingDir", "Labels", "Volumes", "Healthcheck")
"""What of an image's description decides what a container of it does."""


class Refused(Exception):
    """Why an archive is not loaded, as a clause that begins with "it"."""


class Archived(NamedTuple):
    """One image of an archive, as its own description says."""

    stage: Stage
    tag: str
    config_digest: str
    """Of the description; with many engines it is the image's id."""
    layers: tuple[str, ...]
    settings: Mapping[str, Any]

    def differences(self, found: Mapping[str, Any]) -> list[str]:
        """What an engine's inspection of the image of this name says otherwise."""
        wrong = [] if tuple(found["RootFS"].get("Layers") or ()) == self.layers else ["layers"]
        there = settings_of(found["Config"])
        return wrong + [key for key in _BOUND if there.get(key) != self.settings.get(key)]


class _Entry(BaseModel):
    """One line of ``manifest.json``."""

    model_config = ConfigDict(strict=True)

    Config: str
    RepoTags: list[str] | None = None


class _RootFs(BaseModel):
    model_config = ConfigDict(strict=True)

    diff_ids: list[str]


class _Description(BaseModel):
    model_config = ConfigDict(strict=True)

    os: str
    architecture: str
    config: dict[str, Any]
    rootfs: _RootFs


def settings_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that count, without those that are empty: engines leave them out or write them out."""
    return {key: config[key] for key in _BOUND if config.get(key)}


def read(file: IO[bytes], variant: Variant) -> dict[Stage, Archived]:
    """The two images of an archive, by stage. Raises UsageError for one that holds anything else, or less."""
    try:
        return _images(_descriptions(file), variant)
    except Refused as error:
        raise _refusal(str(error)) from None
    except ValidationError as error:
        raise _refusal(f"it describes an image as no engine does ({error.error_count()} fields)") from None
    except (tarfile.TarError, ValueError, RecursionError, EOFError, OSError) as error:
        raise _refusal(f"it is not an archive of images: {error}") from None


def _refusal(why: str) -> UsageError:
    return UsageError(f"the archive cannot be used: {why}", "write it with `fumehood image save` of this same version")


def _images(members: Mapping[str, bytes], variant: Variant) -> dict[Stage, Archived]:
    if _MANIFEST not in members:
        raise Refused(f"it has no {_MANIFEST}, so it is no archive of images")
    entries = [_Entry.model_validate(entry) for entry in _parse(members, _MANIFEST)]
    found = [_image(entry, members, variant) for entry in entries]
    if sorted(it.stage for it in found) != sorted(image.STAGES):
        raise Refused(f"it holds {', '.join(it.tag for it in found) or 'no image'}, and not one image of each stage")
    if odd := [name for name in _indexed(members) if name not in {it.tag for it in found}]:
        raise Refused(f"its {_INDEX} names another image, {odd[0][:100]}")
    return {it.stage: it for it in found}


def _image(entry: _Entry, members: Mapping[str, bytes], variant: Variant) -> Archived:
    description = _Description.model_validate(_parse(members, entry.Config))
    labels = description.config.get("Labels") or {}
    tags = [name.removeprefix("localhost/") for name in entry.RepoTags or ["an image without a name"]]
    stage = next((s for s in image.STAGES if labels.get(image.LABEL_STAGE) == s), None)
    if stage is None:
        raise Refused(f"it holds an image that is not ours: {tags[0][:100]}")
    if labels.get(image.LABEL_VARIANT) != variant:
        raise Refused(f"it holds the variant {str(labels.get(image.LABEL_VARIANT))[:20]}, and {variant} was asked for")
    if labels.get(image.LABEL_SOURCES) != image.sources_digest(variant):
        version = str(labels.get(image.LABEL_VERSION))[:20]
        raise Refused(f"its images are of another version than this program (they say {version})")
    if tags != [expected := image.tag_on(stage, variant, str(labels.get(image.LABEL_BASE_DIGEST)))]:
        raise Refused(f"the {stage} image is called {', '.join(tags)[:200]}, and should be {expected}")
    if f"{description.os}/{description.architecture}" != wheels.PLATFORM:
        raise Refused(f"the {stage} image is for {description.os}/{description.architecture}"[:100])
    if acting := image_checks.loader_settings({"Config": description.config}):
        raise Refused(
            f"the {stage} image carries {acting[0].partition('=')[0][:50]}, which acts before our first program"
        )
    digest = hashlib.sha256(members[entry.Config]).hexdigest()
    return Archived(stage, expected, digest, tuple(description.rootfs.diff_ids), settings_of(description.config))


def _indexed(members: Mapping[str, bytes]) -> Iterator[str]:
    """Names in the index that newer engines write beside the manifest, and may load from."""
    if _INDEX in members:
        for entry in _parse(members, _INDEX)["manifests"]:
            name = (entry.get("annotations") or {}).get("io.containerd.image.name", "an image without a name")
            yield str(name).removeprefix("docker.io/library/").removeprefix("localhost/")


def _parse(members: Mapping[str, bytes], name: str) -> Any:
    if name not in members:
        raise Refused(f"it names {name[:100]!r}, which is not in it")
    try:
        return json.loads(members[name])
    except (ValueError, RecursionError):
        raise Refused(f"its {name[:100]} is not JSON") from None


def _descriptions(file: IO[bytes]) -> dict[str, bytes]:
    """Every small file of the archive that may be a description; layers are passed over."""
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for count, member in enumerate(archive):
            if count > _MEMBERS:
                raise Refused(f"it has more than {_MEMBERS} members")
            if member.name in found:
                raise Refused(f"it holds {member.name[:100]!r} twice")
            if member.isfile() and member.size <= _SMALL and _may_describe(member.name):
                found[member.name] = _content(archive, member)
    return found


def _may_describe(name: str) -> bool:
    """``ID.json``, or in newer archives a blob; small layers are among these."""
    return name.endswith(".json") or name.startswith("blobs/sha256/")


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    content = file.read() if file else b""
    if len(content) != member.size:
        raise Refused("it ends in the middle")
    return content
