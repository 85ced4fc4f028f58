"""Help is there for every command, and comes without waiting for libraries that it does not need."""

import sys

import click
import pytest
from commands import fumehood, python, started

from fumehood.cli import cli

pytestmark = pytest.mark.unit
HEAVY = (
    "docker", "litellm", "optuna", "scipy", "sklearn", "matplotlib", "numpy", "rich", "pandas", "torch", "memori",
    "requests", "jinja2", "structlog", "fumehood_runner",
)  # fmt: skip


def every(command, path=()):
    """All commands below ``command``, as tuples of words."""
    yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from every(child, (*path, name))


COMMANDS = sorted(every(cli))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_and_its_options(path):
    command = cli
    for name in path:
        command = command.commands[name]
    assert command.help
    assert [p.name for p in command.params if isinstance(p, click.Option) and not p.help] == []


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_exits_with_zero(path, flag):
    done = fumehood(*path, flag)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: fumehood {' '.join(path)}".rstrip())


@pytest.mark.parametrize(
    "arguments", [("--help",), ("run", "--help"), ("check", "--help"), ("data", "list"), ("--version",)], ids=" ".join
)
def test_nothing_heavy_is_imported_for_it(arguments):
    listing = f"print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    done = started(*arguments, after=listing)
    assert (done.code, done.err) == (0, "[]\n")


def third_party(listed, bare):
    """Top-level packages of others among ``listed``, but for those that every interpreter here begins with."""
    return {name for name in listed.split() if name not in bare} - sys.stdlib_module_names - {"fumehood"}


LOADED = "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"


@pytest.fixture(scope="module")
def bare():
    """What an interpreter has loaded before it does anything."""
    return set(python(f"import sys; {LOADED}").err.split())


@pytest.mark.parametrize(
    "arguments", [("--help",), *((name, "--help") for name in sorted(cli.commands)), ("--version",)], ids=" ".join
)
def test_help_takes_click_and_nothing_else_of_others(arguments, bare):
    done = started(*arguments, after=LOADED)
    assert done.code == 0
    assert third_party(done.err, bare) == {"click"}


def test_importing_the_package_takes_nothing_of_others(bare):
    done = python(f"import sys, fumehood; {LOADED}")
    assert done.code == 0
    assert third_party(done.err, bare) == set()


def test_the_version_is_told():
    from fumehood import __version__

    assert started("--version").out == f"fumehood, version {__version__}\n"


def test_the_documented_commands_are_there():
    expected = {"run", "check", "resume", "report", "predict", "audit", "replay"}
    expected |= {"data", "memory", "policy", "image", "doctor", "gc"}
    assert expected <= {path[0] for path in COMMANDS if path}
