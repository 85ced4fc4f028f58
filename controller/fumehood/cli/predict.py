"""``fumehood predict``: the winner of a run on new rows."""

from pathlib import Path

import click

from fumehood.cli.options import AS_JSON, RUN_DIR, VERBOSE


@click.command()
@RUN_DIR
@click.option(
    "--data", "data_spec", required=True, metavar="SPEC", help="New rows, with the columns of the training data."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="CSV file to write.  [default: stdout]",
)
@click.option("--gpus", metavar="none|auto|N|UUID,...", help="GPUs to predict on.  [default: those of the run]")
@VERBOSE
@AS_JSON
def predict(
    directory: Path,
    data_spec: str,
    output: Path | None,
    gpus: str | None,
    verbose: bool,  # noqa: ARG001  # main reads it
    as_json: bool,
) -> None:
    """Predict new rows with a run's winner, in a room, with the encoders and scalers of its training."""
    import sys

    from fumehood import inference, text
    from fumehood.cli import emit
    from fumehood.errors import UsageError
    from fumehood.run_directory import RunDirectory

    if as_json and output is None:
        raise UsageError("--json needs --output: both would print on stdout", "add --output FILE")
    found = inference.predict(RunDirectory.open(directory), data_spec, gpus)
    for note in found.notes:
        click.echo(f"note: {text.plain(note)}", err=True)
    if output is None:
        found.write(sys.stdout)
        return
    with output.open("w", encoding="utf-8", newline="") as file:
        found.write(file)
    click.echo(f"{len(found.values)} rows predicted: {output}", err=True)
    if as_json:
        emit({"rows": len(found.values), "output": str(output), "notes": list(found.notes), "exit_code": 0})
