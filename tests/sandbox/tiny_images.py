"""Images of one empty file with our labels, older than any real one: only who names their base finds them."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

from fumehood import __version__
from fumehood.sandbox import image

LONG_AGO = "1970-01-01T00:00:00Z"


def labels(stage: Any, base: str, **changes: str) -> dict[str, str]:
    """As a build would write them; ``base`` is reference and digest in one."""
    return {
        image.LABEL_STAGE: stage,
        image.LABEL_VARIANT: "cpu",
        image.LABEL_VERSION: __version__,
        image.LABEL_SOURCES: image.sources_digest("cpu"),
        image.LABEL_BASE: base,
        image.LABEL_BASE_DIGEST: base,
        **changes,
    }


def tags(base: str) -> list[str]:
    return [image.tag_on(stage, "cpu", base) for stage in image.STAGES]


def described(stage: Any, base: str, environment: tuple[str, ...] = (), **changes: str) -> dict[str, Any]:
    """The description of one image, with one layer that tells the stages apart."""
    config = {"Labels": labels(stage, base, **changes), "Env": list(environment), "User": "65534:65534"}
    digests = [f"sha256:{hashlib.sha256(layer(f'{stage} {base}')).hexdigest()}"]
    rootfs = {"type": "layers", "diff_ids": digests}
    history = [{"created": LONG_AGO}]
    about = {"architecture": "amd64", "os": "linux", "created": LONG_AGO}
    return {**about, "config": config, "rootfs": rootfs, "history": history}


def layer(name: str) -> bytes:
    return packed({name.replace(" ", "-"): b""})


def packed(files: Mapping[str, bytes]) -> bytes:
    """A tar archive of plain files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def archive(images: Mapping[str, dict[str, Any]], base: str, **extra: bytes) -> bytes:
    """As ``docker save`` writes it: tag -> description. ``extra`` are further files, by name."""
    files, manifest = {}, []
    for tag, description in images.items():
        text = json.dumps(description).encode()
        digest = hashlib.sha256(text).hexdigest()
        stage = description["config"]["Labels"].get(image.LABEL_STAGE, "none")
        files |= {f"{digest}.json": text, f"{digest}/layer.tar": layer(f"{stage} {base}")}
        manifest.append({"Config": f"{digest}.json", "RepoTags": [tag], "Layers": [f"{digest}/layer.tar"]})
    return packed({**files, "manifest.json": json.dumps(manifest).encode(), **extra})


def both(base: str, environment: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """Tag -> description of the two images on ``base``."""
    described_ = [described(stage, base, environment) for stage in image.STAGES]
    return dict(zip(tags(base), described_, strict=True))
