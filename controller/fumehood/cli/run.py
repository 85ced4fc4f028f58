"""``fumehood run``, ``resume`` and ``report``."""

from pathlib import Path
from typing import Any, Literal

import click

from fumehood.cli.llm_options import chosen, llm_options
from fumehood.cli.options import (
    AS_JSON,
    CONFIDENCE,
    GPUS,
    MEMORY,
    MEMORY_DB,
    MEMORY_NAMESPACE,
    POLICY,
    RUN_DIR,
    SPLITS,
    SUBSET,
    VERBOSE,
    Count,
    Positive,
)


@click.command()
@click.option(
    "--goal", "goal_text", required=True, metavar="TEXT", help='Such as "Classify digits with >95% accuracy".'
)
@click.option("--data", "data_spec", metavar="SPEC", help="Data set (fumehood data list); else the one the goal names.")
@click.option("--name", metavar="NAME", help="Name of the run, for reports.")
@click.option(
    "--planner",
    type=click.Choice(["auto", "llm", "search"]),
    default="auto",
    show_default=True,
    help="Who proposes; auto is the language model where one is named, else the built-in search.",
)
@click.option(
    "--max-iterations", type=click.IntRange(1, 100_000), default=10, show_default=True, help="Candidates at most."
)
@click.option(
    "--target-accuracy", type=float, metavar="X", help="Target; wins over the goal's. 0.95 and 95 are the same."
)
@click.option("--metric", metavar="NAME", help="Metric to judge by; wins over the goal's.")
@click.option(
    "--num-seeds", type=click.IntRange(1, 64), default=3, show_default=True, help="Repetitions of every candidate."
)
@click.option(
    "--seed", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Drives planner and candidates."
)
@click.option("--split-seed", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Drives the split.")
@SPLITS
@SUBSET
@CONFIDENCE
@click.option(
    "--parallel",
    type=Count(),
    default="1",
    show_default=True,
    metavar="N|auto",
    help="Candidates under way at once; auto is as many as the machine has room for.",
)
@POLICY
@GPUS
@click.option(
    "--timeout", type=Positive(), metavar="SECONDS", help="Wall time of training a candidate, if below the policy's."
)
@click.option(
    "--budget-minutes", type=Positive(), metavar="M", help="Stop, and measure the best, after that much time."
)
@click.option("--workdir", metavar="DIR", help="Run directory, absent or empty.  [default: ./run_TIMESTAMP]")
@click.option(
    "--keep/--no-keep", default=True, show_default=True, help="Keep everything, or only reports and the winner."
)
@llm_options
@click.option(
    "--max-repairs",
    type=click.IntRange(0, 100),
    default=3,
    show_default=True,
    help="Times in a row that the language model may try to repair a candidate.",
)
@click.option(
    "--order-key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Row orders of an earlier run (its sealed/row-order.key), to repeat it to the last bit.",
)
@MEMORY
@MEMORY_DB
@MEMORY_NAMESPACE
@VERBOSE
@AS_JSON
def run(
    goal_text: str,
    data_spec: str | None,
    name: str | None,
    planner: str,
    max_iterations: int,
    target_accuracy: float | None,
    metric: str | None,
    num_seeds: int,
    seed: int,
    split_seed: int,
    splits: str,
    subset: int | None,
    confidence_level: float,
    parallel: int | Literal["auto"],
    policy: str,
    gpus: str | None,
    timeout: float | None,
    budget_minutes: float | None,
    workdir: str | None,
    keep: bool,
    max_repairs: int,
    order_key: Path | None,
    memory: bool | None,
    memory_db: str | None,
    memory_namespace: str,
    verbose: bool,
    as_json: bool,
    **llm: Any,
) -> int:
    """Research a model for a goal, in sealed rooms, and measure the winner once on a sealed test set."""
    from fumehood import session
    from fumehood.cli.outcome import tell, watcher
    from fumehood.data import seal

    found = chosen(**llm)
    mind = None
    if found.settings or found.replay:
        from fumehood.mind import opened

        budgets = {name: llm[name] for name in ("budget_usd", "budget_tokens")}
        mind = opened(planner, found.settings, found.keys, found.replay, **budgets)
    settings = session.settings(
        goal_text,
        data=data_spec,
        name=name,
        planner=planner,
        max_iterations=max_iterations,
        target=target_accuracy,
        metric=metric,
        num_seeds=num_seeds,
        seed=seed,
        split_seed=split_seed,
        splits=splits,
        subset=subset,
        confidence_level=confidence_level,
        policy=policy,
        gpus=gpus,
        parallel=parallel,
        timeout_s=timeout,
        budget_minutes=budget_minutes,
        keep=keep,
        max_repairs=max_repairs,
        memory=memory_namespace if (session.remembers() if memory is None else memory) else None,
        mind=mind,
    )
    key = seal.read_key(order_key) if order_key else mind.order_key() if mind else None
    means = session.Means(memory_db=memory_db, mind=mind, order_key=key)
    done = session.start(settings, workdir, watcher(as_json=as_json, verbose=verbose), means)
    return tell(done, as_json=as_json)


@click.command()
@RUN_DIR
@MEMORY_DB
@click.option("--llm-api-key", metavar="KEY", help="Of the run's language model; rather set $FUMEHOOD_LLM_API_KEY.")
@click.option("--llm-api-key-file", type=click.Path(path_type=Path), metavar="FILE", help="File with that key.")
@click.option("--llm-replay", type=click.Path(path_type=Path), metavar="FILE", help="Of a run that replays one, again.")
@VERBOSE
@AS_JSON
def resume(
    directory: Path,
    memory_db: str | None,
    llm_api_key: str | None,
    llm_api_key_file: Path | None,
    llm_replay: Path | None,
    verbose: bool,
    as_json: bool,
) -> int:
    """Go on with an interrupted run; nothing that was finished is done again."""

    from fumehood import session
    from fumehood.cli.outcome import tell, watcher

    means = session.Means(
        memory_db=memory_db, llm_api_key=llm_api_key, llm_api_key_file=llm_api_key_file, llm_replay=llm_replay
    )
    done = session.go_on(directory, watcher(as_json=as_json, verbose=verbose), means)
    return tell(done, as_json=as_json)


@click.command()
@RUN_DIR
@AS_JSON
def report(directory: Path, as_json: bool) -> int:
    """Write a run's reports again from its journal, and show the outcome."""

    from fumehood import session
    from fumehood.cli.outcome import tell

    return tell(session.look(directory), as_json=as_json, only_look=True)
