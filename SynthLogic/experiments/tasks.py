"""Parts of an experiment that run side by side, each once: what has been measured is not measured again."""

from __future__ import annotations

import hashlib
import importlib
import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from SynthLogic.methods.run_folder import code_version

Report = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Task:
    """A function and its arguments, both plain enough for another process and for JSON.

    Attributes:
        name: of the result's file.
        function: "package.module:function"; it returns JSON.
        arguments: keywords.
    """

    name: str
    function: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def key(self, room: Path) -> str:
        """Changes with whatever the result depends on, but not where the folder ``room`` lies."""
        text = json.dumps([self.function, self.arguments], sort_keys=True, default=str)
        here = json.dumps(str(room))[1:-1]
        return hashlib.sha256(text.replace(here, ".").encode()).hexdigest()


def run_tasks(
    tasks: Sequence[Task], folder: Path, *, workers: int = 1, report: Report | None = None
) -> dict[str, Any]:
    """Run those that have no result in ``folder`` yet, ``workers`` at a time, one thread each.

    Results stay valid when the folder above ``folder`` is moved as a whole.

    Returns:
        Results by the tasks' names.

    Raises:
        Exception: what the first task that failed has raised; the others' results stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = {task.name: result for task in tasks if (result := _kept(task, folder)) is not None}
    missing = [task for task in tasks if task.name not in found]
    done = len(found)
    if report is not None and tasks:
        report(done, len(tasks), "parts")
    if workers <= 1 or len(missing) <= 1:
        for task in missing:
            found[task.name] = _perform(task, folder)
            done += 1
            if report is not None:
                report(done, len(tasks), "parts")
        return {task.name: found[task.name] for task in tasks}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_one_thread) as pool:
        running = {pool.submit(_perform, task, folder): task for task in missing}
        try:
            for future in as_completed(running):
                found[running[future].name] = future.result()
                done += 1
                if report is not None:
                    report(done, len(tasks), "parts")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {task.name: found[task.name] for task in tasks}


def digest(scale: Any) -> str:
    """Changes with anything in a scale, so that people and trainings of another are not taken for its own."""
    inner = getattr(scale, "translation", scale)
    text = json.dumps(asdict(inner), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def account(room: Path, without: str = "") -> str:
    """What the figures of a folder were made with: versions of the code, and minutes of all trainings.

    Args:
        room: the folder.
        without: pattern of the names of results and runs that do not count.
    """
    results = [path for path in room.rglob("results/*.json") if not fnmatch(path.name, without)]
    tests = [json.loads(path.read_text(encoding="utf-8")) for path in results]
    # A training's bundles tell the same of it.
    found = {path.parents[3]: path for path in room.rglob("bundles/*/configs/card.json")}
    cards = {run: path for run, path in found.items() if not fnmatch(run.name, without)}
    trainings = [json.loads(path.read_text(encoding="utf-8"))["training"] for path in cards.values()]
    named = [made["code"] for made in tests] + [made["code_version"] for made in trainings]
    versions = sorted({version for text in named for version in text.split("; ")})
    minutes = sum(made["duration_s"] for made in trainings) / 60
    return (
        f"Code {', '.join(versions)}; {len(trainings)} trainings took {minutes:.0f} minutes, one thread each."
    )


def _kept(task: Task, folder: Path) -> Any:
    try:
        content = json.loads((folder / f"{task.name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content["result"] if content.get("key") == task.key(folder.parent) else None


def _perform(task: Task, folder: Path) -> Any:
    module, _, name = task.function.partition(":")
    result = getattr(importlib.import_module(module), name)(**task.arguments)
    path = folder / f"{task.name}.json"
    partial = path.with_suffix(".partial")
    made = {"key": task.key(folder.parent), "code": code_version(), "result": result}
    partial.write_text(json.dumps(made), encoding="utf-8")
    partial.replace(path)
    return result


def _one_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)


__all__ = ["Report", "Task", "account", "digest", "run_tasks"]
