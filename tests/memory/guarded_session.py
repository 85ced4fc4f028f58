"""A program: everything the memory does, with the network shut and Memori's other calls forbidden.

Exit code 0 where none was reached, 3 otherwise. With ``--deeds`` it does everything forbidden instead, each in a
process of its own, and names on standard output what the guards let pass.
"""

import logging
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import memori
import memori.agent
import memori.embeddings
import memori.memory.augmentation
import memori.memory.recall
import requests
from memori._rust_core import RustCoreAdapter
from memori.llm._registry import Registry

BANNED = ("memori_python", "onnxruntime", "fastembed", "sentence_transformers")
seen: list[str] = []


def forbid(name: str) -> NoReturn:
    seen.append(name)
    print(f"forbidden: {name}", file=sys.stderr, flush=True)
    os._exit(3)


def guard(home: Any, name: str) -> None:
    setattr(home, name, lambda *_, **__: forbid(f"{getattr(home, '__name__', home)}.{name}"))


def shut(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname", "socket.bind"):
        forbid(event)
    if event == "import" and str(arguments[0]).partition(".")[0] in BANNED:
        forbid(f"import {arguments[0]}")


for name in ("recall", "embed_texts", "agent_recall", "agent_recall_summary", "agent_compaction", "capture_agent_turn",
             "agent_feedback", "delete_entity_memories", "provision"):  # fmt: skip
    guard(memori.Memori, name)
for name in ("recall", "recall_summary", "compaction", "capture_turn", "feedback"):
    guard(memori.agent.Agent, name)
guard(memori, "embed_texts")
guard(memori.embeddings, "embed_texts")
guard(memori.LlmRegistry, "register")
guard(Registry, "register")
guard(memori.memory.recall.Recall, "__init__")
guard(memori.memory.augmentation.Manager, "enqueue")
guard(RustCoreAdapter, "__init__")
guard(requests.Session, "send")
sys.addaudithook(shut)
logging.basicConfig(level=logging.WARNING)


def main() -> None:
    from fakes.insights import data, failure, insight, pattern, result
    from fumehood import ManualMemoryContextManager
    from fumehood.memory.keeping import keep
    from fumehood.memory.store import MemoryStore, Query
    from fumehood.records import Phase

    with tempfile.TemporaryDirectory() as folder, MemoryStore.open(None) as store:
        store.add([insight("a"), result(), failure(configuration="c2"), pattern()])
        assert store.recall(Query(data(), Phase.PLANNING, "digits"), 3)
        assert store.search("digits")
        assert store.all()
        store.export(Path(folder, "out.jsonl"))
        store.forget(everything=True)
        store.import_(Path(folder, "out.jsonl"))
        keep(store, [insight("b")], Path(folder))
        with ManualMemoryContextManager() as memory:
            memory.record_research_insight("c")
            assert memory.get_smart_research_context("c", "planning")["insights"]
            memory.get_memory_stats()
            memory.search_memories("c")
            memory.clear_memory()
    assert os.environ["MEMORI_API_KEY"] == "a-key"


def try_everything() -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.orm import sessionmaker

    sessions = sessionmaker(create_engine("sqlite://"))
    one = memori.Memori(conn=sessions, use_rust_core=False)
    deeds = {
        "recall": lambda: one.recall("x"),
        "embed_texts": lambda: one.embed_texts("x"),
        "register": lambda: one.llm.register(None),
        "enqueue": lambda: one.augmentation.enqueue(None),
        "agent_recall": lambda: one.agent_recall(query="x"),
        "capture_agent_turn": lambda: one.capture_agent_turn(user_content="x", assistant_content="y", project_id="z"),
        "rust core": lambda: memori.Memori(conn=sessions, use_rust_core=True),
        "requests": lambda: requests.get("http://192.0.2.1", timeout=1),
        "connect": lambda: socket.create_connection(("192.0.2.1", 9), timeout=1),
        "resolve": lambda: socket.getaddrinfo("example.org", 80),
        "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)),
    }
    for name, deed in deeds.items():
        child = os.fork()
        if child == 0:
            try:
                deed()
            finally:
                os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 3:
            print(name)


try_everything() if "--deeds" in sys.argv else main()
