"""The steps of the GitHub action as plain shell: what a runner would do with them, as far as ``run:`` steps go."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / ".github" / "actions" / "check" / "action.yml"
WORKFLOW = ROOT / ".github" / "workflows" / "example-check.yml"
EXPRESSION = re.compile(r"\$\{\{\s*([^}]+?)\s*\}\}")


class Ran(NamedTuple):
    code: int
    log: str
    """Standard output and error as the runner sees them, together."""


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@dataclass
class Runner:
    """Runs steps by name; ``outputs`` holds what they wrote, by the step's id."""

    temp: Path
    inputs: Mapping[str, str]
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, name: str) -> Ran:
        (step,) = [step for step in read(ACTION)["runs"]["steps"] if step["name"] == name]
        assert step["shell"] == "bash"
        script, told, summary = (self.temp / f for f in ("script.sh", "output", "summary"))
        script.write_text(step["run"])
        told.write_text("")
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        own = {
            "GITHUB_OUTPUT": str(told),
            "GITHUB_STEP_SUMMARY": str(summary),
            "GITHUB_ACTION_PATH": str(ACTION.parent),
            "RUNNER_TEMP": str(self.temp),
        }
        given = {key: EXPRESSION.sub(self._value, str(value)) for key, value in step.get("env", {}).items()}
        done = subprocess.run(
            command, env={**os.environ, **own, **given, **self.environment}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=240, check=False,
        )  # fmt: skip
        lines = told.read_text().splitlines()
        self.outputs[step.get("id", name)] = dict(line.split("=", 1) for line in lines)
        assert len({line.split("=", 1)[0] for line in lines}) == len(lines)
        return Ran(done.returncode, done.stdout)

    def _value(self, match: re.Match[str]) -> str:
        kind, *rest = match[1].split(".")
        if kind == "inputs":
            declared = read(ACTION)["inputs"][rest[0]]
            return self.inputs.get(rest[0], declared.get("default", ""))
        assert (kind, rest[1]) == ("steps", "outputs"), match[1]
        return self.outputs.get(rest[0], {}).get(rest[2], "")
