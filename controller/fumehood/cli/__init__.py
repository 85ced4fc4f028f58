"""The command line: parse, build objects, call, and turn every error into a message and an exit code.

A file per group of commands. They import nothing heavy at the top: ``fumehood --help`` must be instant.
"""

import itertools
import json
import sys
from typing import Any, NoReturn

import click

from fumehood import __version__
from fumehood.cli import interrupt
from fumehood.cli.audit import audit, replay
from fumehood.cli.check import check
from fumehood.cli.data import data
from fumehood.cli.doctor import doctor
from fumehood.cli.gc import gc
from fumehood.cli.image import image
from fumehood.cli.memory import memory
from fumehood.cli.policy import policy
from fumehood.cli.predict import predict
from fumehood.cli.run import report, resume, run
from fumehood.errors import EngineError, FumehoodError, InternalError, Interrupted, UsageError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="fumehood")
def cli() -> None:
    """Autonomous PyTorch research whose generated code never leaves a sealed room.

    Start with: fumehood run --goal "Classify handwritten digits with >95% accuracy" --data digits
    """


for command in (run, check, resume, report, predict, audit, replay, data, memory, policy, image, doctor, gc):
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with one of the documented codes."""
    arguments = sys.argv[1:] if arguments is None else arguments
    as_json, verbose = _wants_json(arguments), "--verbose" in arguments
    interrupt.arm()
    try:
        code = cli.main(args=arguments, prog_name="fumehood", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail(Interrupted("interrupted"), interrupt.EXIT_CODE, Interrupted.kind, as_json)
    except click.ClickException as error:
        where = (
            f"{error.ctx.command_path} --help"
            if isinstance(error, click.UsageError) and error.ctx
            else "fumehood --help"
        )
        _fail(UsageError(error.format_message(), where), UsageError.exit_code, UsageError.kind, as_json)
    except FumehoodError as error:
        _show_traceback(verbose)
        _fail(error, error.exit_code, error.kind, as_json)
    except OSError as error:
        _show_traceback(verbose)
        _fail(_storage(error), EngineError.exit_code, "storage", as_json)
    except Exception as error:  # noqa: BLE001  # the last frame: a bug of ours, said in one line and with its exit code
        _show_traceback(verbose)
        bug = InternalError(
            f"a bug in fumehood: {type(error).__name__}: {error}", "run again with --verbose and report it"
        )
        _fail(bug, bug.exit_code, bug.kind, as_json)


def _wants_json(arguments: list[str]) -> bool:
    """Whether a failure is to be told as a JSON document too, before the arguments could be parsed."""
    said = [*itertools.pairwise(arguments), *(tuple(word.split("=", 1)) for word in arguments)]
    return "--json" in arguments or ("--format", "json") in said


def _storage(error: OSError) -> FumehoodError:
    place = f" ({error.filename})" if error.filename else ""
    hint = "make room or give permission; then: fumehood resume DIR, or fumehood report DIR if the run had finished"
    return FumehoodError(f"the system refused: {error.strerror or error}{place}", hint)


def _fail(error: FumehoodError, code: int, kind: str, as_json: bool) -> NoReturn:
    if as_json:
        from fumehood import text

        emit(
            {
                "error": {"kind": kind, "message": text.plain(error.what, 2000), "hint": text.plain(error.hint)},
                "exit_code": code,
            }
        )
    say(error)
    sys.exit(code)


def say(error: FumehoodError) -> None:
    """Tell a person on stderr what happened and what to do."""
    from fumehood import text

    click.echo(f"fumehood: {text.plain(error.what, 2000)}", err=True)
    if error.hint:
        click.echo(f"  what to do: {text.plain(error.hint)}", err=True)


def emit(document: dict[str, Any]) -> None:
    """Print one JSON document on stdout."""
    click.echo(json.dumps({"schema_version": 1, **document}, allow_nan=False))


def _show_traceback(verbose: bool) -> None:
    if verbose:
        import traceback

        from fumehood import text

        click.echo(text.block(traceback.format_exc(), 20_000), err=True)
