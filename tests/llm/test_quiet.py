"""The library that asks is loaded when it is needed, says nothing, and reaches nothing but the server that is meant."""

import json

import pytest

from cli.commands import python, started
from fakes.llm_server import scripted
from llm.kit import asking, question

pytestmark = pytest.mark.unit
GOOD = {"action": "go", "width": 3}
HEAVY = ("litellm", "openai", "httpx", "tenacity", "tiktoken")

LOOPBACK_ONLY = """
import socket
real = socket.socket.connect
lookup = socket.getaddrinfo
def connect(self, address):
    assert self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1"), address
    return real(self, address)
def getaddrinfo(host, *more, **options):
    assert host in ("127.0.0.1", "localhost", "::1"), host
    return lookup(host, *more, **options)
socket.socket.connect, socket.getaddrinfo = connect, getaddrinfo
"""
ASK = """
import json, sys
from pathlib import Path
from fakes.llm_server import Server
from llm.kit import asking, question
for number, (model, url) in enumerate(json.loads(sys.argv[2])):
    it = asking(Server("", [], []), Path(sys.argv[1]) / str(number), model=model, url=url)
    assert it.client.ask(question()).width == 3, it.lines()
    assert sys.modules["litellm"] is not None
"""


def test_a_call_says_nothing_and_goes_nowhere_else(tmp_path):
    (tmp_path / ".env").write_text("FROM_THE_FOLDER=1\n")
    with scripted([GOOD] * 4) as server:
        others = [(f"{provider}/m", server.root) for provider in ("ollama_chat", "anthropic", "azure")]
        program = f"import os; os.chdir({str(tmp_path)!r})\n{LOOPBACK_ONLY}\n{ASK}"
        program += "assert 'FROM_THE_FOLDER' not in os.environ\n"
        done = python(program, str(tmp_path), json.dumps([("m", server.url), *others]))
        assert (done.code, done.out, done.err) == (0, "", "")
        assert len(server.requests) == 4


def test_a_replay_loads_no_library_and_opens_no_socket(tmp_path):
    with scripted([GOOD, {"action": "fly"}, GOOD]) as server:
        it = asking(server, tmp_path)
        it.client.ask(question())
        it.client.ask(question())
    program = f"""
import socket, sys
def refuse(*_, **__): raise AssertionError("a socket")
socket.socket.connect = socket.getaddrinfo = refuse
from pathlib import Path
from fumehood.llm.replay import Replay
from fumehood.llm.model import Message, Question
from fumehood.llm import settings, ledger
from fumehood.records import Phase
from pydantic import BaseModel
class Wish(BaseModel):
    action: str
    width: int
replay = Replay(Path(sys.argv[1]), lambda call: None)
asked = Question("plan", Phase.PLANNING, (Message("user", "?"),), Wish, 10)
assert replay.ask(asked).width == 3
print([name for name in {HEAVY} if name in sys.modules])
"""
    done = python(program, str(it.path))
    assert (done.code, done.out, done.err) == (0, "[]\n", "")


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("doctor", "--help")], ids=" ".join)
def test_help_loads_no_library(arguments):
    done = started(*arguments, after=f"print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)")
    assert (done.code, done.err) == (0, "[]\n")


def test_it_can_be_loaded_ahead_in_the_background():
    program = (
        "from fumehood.llm import library; import sys; library.load_ahead().join(); print('litellm' in sys.modules)"
    )
    done = python(program)
    assert (done.out, done.err) == ("True\n", "")


def test_where_it_cannot_be_loaded_that_is_said(tmp_path):
    program = """
import sys
sys.modules["litellm"] = None
from fumehood.errors import LlmError
from fumehood.llm import library
library.load_ahead().join()
try:
    library.litellm()
except LlmError as error:
    print(error.what, error.hint)
"""
    done = python(program)
    assert "LiteLLM cannot be imported" in done.out
    assert done.err == ""
