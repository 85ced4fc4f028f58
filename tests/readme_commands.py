"""Checks that every ``fumehood`` and ``make`` command in README.md exists, with every option it is shown with.

Run by ``make lint``. Looks at the program's own commands, so README and ``--help`` cannot drift apart.
"""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```(?:sh|bash|console|shell)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(text: str) -> Iterator[list[str]]:
    """Words of every command line in the shell blocks of a Markdown text."""
    for block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words:
                yield words


def unknown(command: click.Command, words: list[str]) -> str | None:
    """What ``command`` does not know of ``words``, or None."""
    options = {name for p in command.params for name in (*p.opts, *p.secondary_opts)} | {"--help", "--version"}
    for position, word in enumerate(words):
        if word.startswith("--") and word.partition("=")[0] not in options:
            return f"option {word}"
        if isinstance(command, click.Group) and not word.startswith("-"):
            child = command.commands.get(word)
            return unknown(child, words[position + 1 :]) if child else f"command {word}"
    return None


def problem(words: list[str], program: click.Command, targets: set[str]) -> str | None:
    """What is wrong with one command line of the README, or None."""
    if words[0] == "fumehood":
        return unknown(program, words[1:])
    if words[0] == "make":
        missing = [w for w in words[1:] if "=" not in w and not w.startswith("-") and w not in targets]
        return f"target {missing[0]}" if missing else None
    return None


def main() -> int:
    from fumehood.cli import cli as program

    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = list(commands((ROOT / "README.md").read_text()))
    wrong = [(words, found) for words in lines if (found := problem(words, program, targets))]
    for words, found in wrong:
        print(f"README.md: there is no {found}: {shlex.join(words)}", file=sys.stderr)
    if not any(words[0] == "fumehood" for words in lines):
        print("README.md shows no fumehood command in a shell block", file=sys.stderr)
        return 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
