"""``fumehood image``: build the sandbox image, and look whether it is what it should be."""

import json
import os

import click

from fumehood.errors import EngineError

VARIANT = click.option(
    "--variant", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Build of PyTorch inside."
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")


@click.group()
def image() -> None:
    """Build and verify the sandbox image."""


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
    if as_json:
        click.echo(json.dumps({"schema_version": 1, **built.model_dump()}))


@image.command()
@VARIANT
@AS_JSON
def verify(variant: str, as_json: bool) -> None:
    """Look at the image from inside throw-away containers."""
    from fumehood.sandbox import engine
    from fumehood.sandbox import image as images

    checks = images.verify(engine.connect(), images.as_variant(variant))
    for check in checks:
        _say(f"{'ok  ' if check.passed else 'FAIL'} {check.name}: {check.seen}")
    failed = [check.name for check in checks if not check.passed]
    if as_json:
        found = [check.model_dump() for check in checks]
        click.echo(json.dumps({"schema_version": 1, "checks": found, "passed": not failed}))
    if failed:
        raise EngineError(
            f"the image fails {len(failed)} of {len(checks)} checks: {', '.join(failed)}",
            "remove it from the engine and run `fumehood image build`",
        )


def _say(line: str) -> None:
    click.echo(line, err=True)
