"""``fumehood image``: build the sandbox image, look whether it is what it should be, carry it to another machine."""

import os
from pathlib import Path
from typing import Any

import click

from fumehood.cli.options import AS_JSON
from fumehood.errors import EngineError

VARIANT = click.option(
    "--variant", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Build of PyTorch inside."
)
FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def image() -> None:
    """Build, verify and carry the sandbox image."""


@image.command()
@VARIANT
@AS_JSON
@click.option("--base", metavar="IMAGE", help="Base image to build on; else BASE_IMAGE, else a registry's or our own.")
@click.option(
    "--torch-index-url", metavar="URL", help="Further package index with PyTorch's wheels; else TORCH_INDEX_URL."
)
@click.option(
    "--setup-engine", is_flag=True, help="As root on Debian or Ubuntu: install and start Docker if none runs."
)
def build(variant: str, as_json: bool, base: str | None, torch_index_url: str | None, setup_engine: bool) -> None:
    """Build the image for the present sources, unless it is there."""
    from fumehood.sandbox import engine
    from fumehood.sandbox import image as images

    if torch_index_url:
        os.environ["TORCH_INDEX_URL"] = torch_index_url
    client = engine.set_up_engine(_say) if setup_engine else engine.connect()
    _say(f"engine: {engine.describe(client)}")
    built = images.ensure(client, variant=images.as_variant(variant), base=base, progress=_say)
    _emit(as_json, built.model_dump())


@image.command()
@VARIANT
@AS_JSON
def verify(variant: str, as_json: bool) -> int:
    """Look at the image from inside throw-away containers."""
    from fumehood.sandbox import engine
    from fumehood.sandbox import image as images

    checks = images.verify(engine.connect(), images.as_variant(variant))
    for check in checks:
        _say(f"{'ok  ' if check.passed else 'FAIL'} {check.name}: {check.seen}")
    failed = [check.name for check in checks if not check.passed]
    code = EngineError.exit_code if failed else 0
    _emit(as_json, {"checks": [check.model_dump() for check in checks], "passed": not failed, "exit_code": code})
    if failed and not as_json:
        raise EngineError(
            f"the image fails {len(failed)} of {len(checks)} checks: {', '.join(failed)}",
            "remove it from the engine and run `fumehood image build`",
        )
    return code


@image.command()
@FILE
@VARIANT
@AS_JSON
def save(file: Path, variant: str, as_json: bool) -> None:
    """Write the images to FILE, for a machine without a network; FILE.sha256 holds its checksum."""
    from fumehood.sandbox import engine, image_file
    from fumehood.sandbox import image as images

    client = engine.connect(timeout_s=image_file.SILENCE_S)
    saved = image_file.save(client, images.find(client, images.as_variant(variant)), file, _say)
    _say(f"saved {saved.path} ({saved.size / 1e6:.0f} MB), SHA-256 {saved.sha256}")
    _say(f"on the other machine, with both files: fumehood image load {saved.path}")
    _emit(as_json, saved.model_dump())


@image.command()
@FILE
@VARIANT
@AS_JSON
def load(file: Path, variant: str, as_json: bool) -> None:
    """Load the images that `fumehood image save` wrote to FILE, and verify them."""
    from fumehood.sandbox import engine, image_file
    from fumehood.sandbox import image as images

    client = engine.connect(timeout_s=image_file.SILENCE_S)
    loaded = image_file.load(client, file, images.as_variant(variant), _say)
    _say(f"ready: {loaded.sandbox.tag} and {loaded.prepare.tag}")
    _emit(as_json, loaded.model_dump())


def _emit(as_json: bool, document: dict[str, Any]) -> None:
    from fumehood.cli import emit

    if as_json:
        emit(document)


def _say(line: str) -> None:
    click.echo(line, err=True)
