"""An archive is taken only if it holds our two images and nothing else."""

import io
import json
from typing import Any

import pytest
from tiny_images import archive, both, described, packed, tags

from fumehood.errors import UsageError
from fumehood.sandbox import image, image_archive

pytestmark = pytest.mark.unit
BASE = "sha256:" + "a" * 64
SANDBOX, PREPARE = tags(BASE)
INDEX = {"manifests": [{"annotations": {"io.containerd.image.name": f"docker.io/library/{tag}"}} for tag in both(BASE)]}


def read(content: bytes) -> Any:
    return image_archive.read(io.BytesIO(content), "cpu")


def why(content: bytes) -> str:
    with pytest.raises(UsageError) as refused:
        read(content)
    assert refused.value.exit_code == 2
    return refused.value.what


def changed(**changes: str) -> bytes:
    """With other labels on the sandbox image."""
    return archive({**both(BASE), SANDBOX: described("sandbox", BASE, **changes)}, BASE)


def test_our_two_images_are_read() -> None:
    found = read(archive(both(BASE), BASE))
    assert [(it.stage, it.tag) for it in found.values()] == [("sandbox", SANDBOX), ("prepare", PREPARE)]
    assert found["sandbox"].layers != found["prepare"].layers


def test_the_index_of_newer_engines_may_name_the_same_images() -> None:
    assert len(read(archive(both(BASE), BASE, **{"index.json": json.dumps(INDEX).encode()}))) == 2


@pytest.mark.parametrize("name", ["docker.io/library/alpine:1", None])
def test_an_index_that_names_another_image_is_refused(name: str | None) -> None:
    entry = {"annotations": {"io.containerd.image.name": name}} if name else {}
    index = json.dumps({"manifests": [*INDEX["manifests"], entry]}).encode()
    assert "index.json names another image" in why(archive(both(BASE), BASE, **{"index.json": index}))


OTHER = {
    "a third image": (archive({**both(BASE), "alpine:1": {**described("x", BASE)}}, BASE), "not ours: alpine:1"),
    "one image": (archive({SANDBOX: both(BASE)[SANDBOX]}, BASE), "not one image of each stage"),
    "one stage twice": (
        archive({SANDBOX: both(BASE)[SANDBOX], f"{SANDBOX}0": both(BASE)[SANDBOX]}, BASE),
        "and should be",
    ),
    "another name": (
        archive({"python:3.11": both(BASE)[SANDBOX], PREPARE: both(BASE)[PREPARE]}, BASE),
        "and should be",
    ),
    "other sources": (changed(**{image.LABEL_SOURCES: "0" * 64}), "of another version than this program"),
    "another variant": (changed(**{image.LABEL_VARIANT: "cuda"}), "the variant cuda"),
    "another base": (changed(**{image.LABEL_BASE_DIGEST: "sha256:1"}), "and should be"),
    "LD_PRELOAD": (archive(both(BASE, ("LD_PRELOAD=/x.so",)), BASE), "carries LD_PRELOAD"),
    "NVIDIA_VISIBLE_DEVICES": (archive(both(BASE, ("NVIDIA_VISIBLE_DEVICES=all",)), BASE), "carries NVIDIA_VISIBLE"),
    "no manifest": (packed({"x": b""}), "has no manifest.json"),
    "a manifest that is no JSON": (packed({"manifest.json": b"{"}), "manifest.json is not JSON"),
    "a manifest nested without end": (packed({"manifest.json": b"[" * 100_000}), "manifest.json is not JSON"),
    "a manifest of another kind": (packed({"manifest.json": b"[3]"}), "as no engine does"),
    "a description that is not there": (
        packed({"manifest.json": b'[{"Config": "../x.json", "RepoTags": ["a:1"]}]'}),
        "which is not in it",
    ),
    "nothing": (b"", "not an archive"),
    "no tar": (b"x" * 20_000, "not an archive"),
}


@pytest.mark.parametrize("name", OTHER)
def test_anything_else_is_refused(name: str) -> None:
    content, words = OTHER[name]
    assert words in why(content)


def test_a_manifest_that_is_there_twice_is_refused() -> None:
    out = archive(both(BASE), BASE)
    twice = out[: len(out) - len(out) % 512].rstrip(b"\0")
    padded = twice + b"\0" * (-len(twice) % 512)
    assert "holds 'manifest.json' twice" in why(padded + packed({"manifest.json": b"[]"}))


@pytest.mark.parametrize("part", [0.2, 0.5, 0.8])
def test_an_archive_that_ends_early_is_refused(part: float) -> None:
    whole = archive(both(BASE), BASE).rstrip(b"\0")
    assert why(whole[: int(len(whole) * part)])


def test_an_image_of_other_content_is_told_apart() -> None:
    wanted = read(archive(both(BASE), BASE))["sandbox"]
    same = {"RootFS": {"Layers": list(wanted.layers)}, "Config": both(BASE)[SANDBOX]["config"]}
    assert wanted.differences(same) == []
    assert wanted.differences({**same, "RootFS": {"Layers": ["sha256:0"]}}) == ["layers"]
    assert wanted.differences({**same, "Config": {**same["Config"], "Env": ["LD_PRELOAD=x"]}}) == ["Env"]
