"""Going on with a run that an earlier process has begun: what it left, and from where."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from .checkpoint import CheckpointError, Loaded, load
from .interrupted import interrupted_usage
from .journal import Resumed, outcome_from_json
from .lock import Busy, RunLock
from .plan import PASSIVE_KINDS, Kind, ParallelWork, Plan
from .schema import complaint
from .state import Position, RunState

TERMINAL = ("run_completed", "run_failed", "run_canceled")


class NotResumable(Exception):
    """The run cannot go on; the text says why and what instead."""


class Stopped(NamedTuple):
    """A run that no process works on any more."""

    folder: Path
    manifest: Mapping[str, Any]
    at: Loaded

    @property
    def state(self) -> RunState:
        return self.at.state

    @property
    def has_begun(self) -> bool:
        """Whether the walk had; before that nothing but the setup has happened."""
        return self.at.journal_lines > 0


@contextmanager
def stopped_run(folder: Path, now: str) -> Iterator[Stopped]:
    """Hold the lock of a run that no process works on, and yield what is left of it; nothing else is changed.

    Raises:
        NotResumable: the folder holds no run, or one that cannot be read back, or somebody works on it.
    """
    if not (folder / "plan.json").is_file():
        raise NotResumable(f"{str(folder)!r} is no run directory: it has no plan.json")
    if any((parent / "journal.ndjson").exists() for parent in folder.parents):
        raise NotResumable(f"{str(folder)!r} is a part of another run; resume that one")
    try:
        lock = RunLock(folder, now)
    except Busy as error:
        raise NotResumable(str(error)) from None
    except OSError as error:
        raise NotResumable(f"run directory {str(folder)!r} cannot be written: {error.strerror}") from None
    with lock:
        yield _read(folder)


def _read(folder: Path) -> Stopped:
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
    except FileNotFoundError:
        raise NotResumable(
            f"the run in {str(folder)!r} was stopped before it began, so there is nothing to resume; "
            f"remove the folder and start it again"
        ) from None
    except (OSError, ValueError) as error:
        raise NotResumable(f"{str(folder / 'manifest.json')!r} cannot be read: {error}") from None
    wrong = complaint("manifest", manifest)
    if wrong:
        raise NotResumable(f"{str(folder / 'manifest.json')!r} is no manifest: {wrong}")
    try:
        return Stopped(folder, manifest, load(folder))
    except CheckpointError as error:
        raise NotResumable(f"the run in {str(folder)!r} cannot be read back: {error}") from None


def resumption(stopped: Stopped, plan: Plan, *, retry_failed: bool) -> Resumed:
    """Return the entry with which the run goes on.

    Args:
        retry_failed: visit the node again that failed the run.

    Raises:
        NotResumable: the run is over, or stands where the plan has no node.
    """
    state = stopped.state
    missing = [node for node in _nodes(state) if node not in plan.nodes]
    if missing:
        raise NotResumable(f"the plan has no node {missing[0]!r}, which the run has visited; it cannot go on with it")
    is_told = _has_said_so(stopped.folder)  # else it died with its last words on its lips, and says them now
    if state.ended == "success" and is_told:
        raise NotResumable(f"the run in {str(stopped.folder)!r} has ended in success; there is nothing to resume")
    if state.ended != "fail" and retry_failed:
        raise NotResumable("the run has not failed, it was cut off; resume it without --retry-failed")
    if state.ended == "fail" and (retry_failed or is_told):
        last = _last_line(stopped.folder / "journal.ndjson")
        if not retry_failed:
            raise NotResumable(f"the run has failed: {last['reason']}; --retry-failed runs {_of(last['node'])} again")
        return _again(stopped, plan, last["node"])
    return _entry(stopped)


def _entry(stopped: Stopped, retry: str = "", at: Position = Position("", None, "")) -> Resumed:  # noqa: B008
    spent, told = interrupted_usage(stopped.folder, stopped.state)
    return Resumed(spent, told, retry, at.node, at.outcome, "")


def _has_said_so(folder: Path) -> bool:
    """Whether a run that has ended has left its result, and told of it."""
    with suppress(OSError, ValueError, KeyError):
        return (folder / "final.json").exists() and _last_line(folder / "progress.ndjson")["event"] in TERMINAL
    return False


def _of(node: str) -> str:
    return repr(node) if node else "what failed"


def _nodes(state: RunState) -> Iterator[str]:
    """Yield the nodes that the walks stand at."""
    yield from (name for name in (state.position.node, state.position.restart_to) if name)
    if state.region is not None:
        yield state.region.node
        for branch in state.region.branches.values():
            yield from _nodes(branch)


def _again(stopped: Stopped, plan: Plan, failed: str) -> Resumed:
    """Return the entry that visits again what failed the run: `failed`, or what stands behind it."""
    state = stopped.state
    if state.region is not None:  # a limit was reached in a branch: the region goes on
        return _entry(stopped, state.region.node, state.position)
    node = failed
    if not node or plan.nodes[node].kind in PASSIVE_KINDS:  # it only hands on what the stage before it said
        node = str(state.context.get("last_stage") or "")
        if node not in plan.nodes:
            raise NotResumable(f"no stage has run before {failed!r} failed the run, so none can be tried again")
    before = dict(_positions(stopped.folder))
    component = _component(plan, node)
    if component and state.words.get(component) == "fail":
        node = component  # no join without branches
    return _entry(stopped, node, before.get(node, state.position))


def _component(plan: Plan, node: str) -> str:
    """Return the parallel node whose branches `node` joins; "" when it joins none."""
    if plan.nodes[node].kind is not Kind.FAN_IN:
        return ""
    works = ((id_, each.work) for id_, each in plan.nodes.items())
    return next((id_ for id_, work in works if isinstance(work, ParallelWork) and work.join == node), "")


def _positions(folder: Path) -> list[tuple[str, Position]]:
    """Return for each finished visit of the main walk, since its last restart, where the walk had come from."""
    found: list[tuple[str, Position]] = []
    at = Position("", None, "")
    with (folder / "journal.ndjson").open("rb") as file:
        for line in file:
            if b'"branch":""' not in line and b'"entry":"resumed"' not in line:
                continue
            document = json.loads(line)
            if document["entry"] == "resumed" and document["retry"]:
                at = Position(document["at"], document["outcome"] and outcome_from_json(document["outcome"]), "")
            if document["entry"] == "restarted":
                found.clear()
                at = Position(document["node"], None, "")
            elif document["entry"] == "finished":
                found.append((document["node"], at))
                at = Position(document["node"], outcome_from_json(document["outcome"]), "")
    return found


def _last_line(path: Path) -> dict[str, Any]:
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n")]
    document: dict[str, Any] = json.loads(whole[whole.rfind(b"\n") + 1 :])
    return document
