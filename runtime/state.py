"""Where a walk stands.

`RunState` is the one value of the runtime that changes in place, and it changes in one way: `apply` an entry that is
already in the journal. A fresh copy after each node would cost as much as the run is long (0.15 ms per node at
20,000 nodes, growing), and a state that is by construction the sum of the journal's lines is one that a resumed run
can trust. Each walk, the main one or a branch, owns its state; nobody else may write it.

While a region is open, the state of the walk that forked holds those of its branches: they are walked by threads of
their own, and read by the walk only when these have ended.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .files import folder_name
from .journal import (
    Begun,
    Ended,
    Entry,
    Finished,
    Forked,
    Joined,
    Restarted,
    Resumed,
    outcome_from_json,
    outcome_to_json,
    usage_to_json,
)
from .outcome import NO_USAGE, Dossier, Json, Outcome, Usage


class Position(NamedTuple):
    """The last thing that happened to a walk; what follows is computed from it, never stored."""

    node: str  # "" before the start node
    outcome: Outcome | None  # None before the start node and after a restart
    restart_to: str  # where a restart goes on, or what failed the run is tried again; "" otherwise


class Region(NamedTuple):
    """A parallel node that was entered and is not over."""

    node: str
    visit: int
    commit: str  # where its branches began
    branches: Mapping[str, "RunState"]  # by id, in the order of the node's edges
    results: dict[str, Mapping[str, Json]]  # of the branches that are over


class RunState:
    """`context` and the counts may be read by anyone, and are written by `apply` alone."""

    # fmt: off
    __slots__ = (
        "base", "branch", "commit", "context", "dossier", "earlier", "elapsed_ms", "ended", "home", "interrupted",
        "paused_ms", "position", "region", "restarts", "retries", "seed", "signatures", "told", "usage", "visits",
        "words",
    )
    # fmt: on

    def __init__(self, context: Mapping[str, Json], branch: str = "", home: str = "") -> None:
        self.branch = branch
        self.base = home  # folder of the first pass, relative to the run directory; "" is the run directory
        self.home = home  # folder of the current pass
        self.seed: dict[str, Json] = dict(context)  # what a restart begins again with
        self.context: dict[str, Json] = dict(context)
        self.position = Position("", None, "")
        self.words: dict[str, str] = {}  # node -> outcome word, in the order in which they last ended
        self.visits: dict[str, int] = {}  # of this pass
        self.earlier: dict[str, int] = {}  # visits before the last restart
        self.retries: dict[str, int] = {}  # of this pass
        self.signatures: dict[str, int] = {}  # failure signature -> visits that ended with it; survives restarts
        self.restarts = 0
        self.usage: Usage = NO_USAGE  # of what is over: without the branches of an open region
        self.interrupted: Usage = NO_USAGE  # of visits that were cut off; of the main walk, for all of them
        self.told = 0  # lines of progress.ndjson when the run was resumed last
        self.region: Region | None = None
        self.dossier: Dossier | None = None
        self.commit = ""
        self.paused_ms = 0
        self.elapsed_ms = 0
        self.ended = ""  # the status a finished run reported

    def apply(self, entry: Entry) -> None:
        match entry:
            case Begun():
                self.seed, self.context = dict(entry.context), dict(entry.context)
            case Finished():
                self._finish(entry)
            case Restarted():
                self._restart(entry)
            case Resumed():
                self.ended, self.told, self.interrupted = "", entry.told, self.interrupted + entry.interrupted
                if entry.retry:
                    self.position = Position(entry.at, entry.outcome, entry.retry)
                    self.commit = entry.commit or self.commit
            case Ended():
                self.ended = entry.status
            case Forked():
                self._fork(entry)
            case Joined():
                assert self.region is not None  # noqa: S101 - a branch joins the region that it was forked by
                self.region.results[entry.id] = entry.result

    def _fork(self, entry: Forked) -> None:
        states = {id_: self._branch(entry, id_) for id_ in entry.branches}
        self.region = Region(entry.node, entry.visit, entry.commit, states, {})

    def _branch(self, entry: Forked, id_: str) -> "RunState":
        """Return the state a branch begins with: a copy of the context, fresh counts."""
        name = branch_name(self.branch, entry.node, entry.visit, id_)
        home = [self.home] if self.home else []
        place = ("parallel", folder_name(entry.node), str(entry.visit), folder_name(id_))
        state = RunState(self.context, branch=name, home="/".join([*home, *place]))
        state.commit = entry.commit
        return state

    def walk_of(self, branch: str) -> "RunState":
        """Return the state of a branch of an open region, by its name; this one's for its own.

        Raises:
            KeyError: no open region has such a branch.
        """
        state = self
        while state.branch != branch:
            step = branch[len(state.branch) :].lstrip("/").split("/")
            if state.region is None or [state.region.node, str(state.region.visit)] != step[:2]:
                raise KeyError(branch)
            state = state.region.branches[step[2]]
        return state

    def head(self) -> str:
        """Return the commit that this walk's worktree stands at; "" when there is none."""
        return self.region.commit if self.region else self.commit

    def spent(self) -> Usage:
        """Return what this walk has used, open branches included."""
        branches = self.region.branches.values() if self.region else ()
        return sum((branch.spent() for branch in branches), start=self.usage)

    def last_clocks(self) -> tuple[int, int]:
        """Return the last reading of elapsed and paused milliseconds, open branches included."""
        branches = self.region.branches.values() if self.region else ()
        return max((self.elapsed_ms, self.paused_ms), *(branch.last_clocks() for branch in branches), (0, 0))

    def copy(self) -> "RunState":
        """Return a state that goes its own way from here, for whoever tries out what may follow."""
        twin = object.__new__(RunState)
        for name in self.__slots__:
            value = getattr(self, name)
            setattr(twin, name, value.copy() if isinstance(value, dict) else value)
        return twin

    def _finish(self, entry: Finished) -> None:
        self.region = None
        self.position = Position(entry.node, entry.outcome, "")
        self.visits[entry.node] = entry.visit
        self.words.pop(entry.node, None)
        self.words[entry.node] = entry.outcome.word
        self.context.update(entry.context)
        for key in entry.cleared:
            self.context.pop(key, None)
        if entry.attempts > 1:
            self.retries[entry.node] = self.retries.get(entry.node, 0) + entry.attempts - 1
        if entry.signature:
            self.signatures[entry.signature] = self.signatures.get(entry.signature, 0) + 1
        if entry.outcome.usage is not NO_USAGE:
            self.usage += entry.outcome.usage
        self.dossier = entry.dossier
        self.commit = entry.commit or self.commit
        self.paused_ms, self.elapsed_ms = entry.paused_ms, entry.elapsed_ms

    def _restart(self, entry: Restarted) -> None:
        self.position = Position(entry.node, None, entry.to)
        for node, count in self.visits.items():
            self.earlier[node] = self.earlier.get(node, 0) + count
        self.context = dict(entry.context)
        self.words, self.visits, self.retries = {}, {}, {}
        self.dossier = None
        self.restarts, self.home = entry.restarts, entry.home

    def to_json(self) -> dict[str, Json]:
        """Return the state as `checkpoint.schema.json` describes it."""
        node, outcome, restart_to = self.position
        return {
            "node": node,
            "outcome": outcome_to_json(outcome) if outcome is not None else None,
            "restart_to": restart_to,
            "base": self.base,
            "home": self.home,
            "restarts": self.restarts,
            "context": self.context,
            "seed": self.seed,
            "words": self.words,
            "visits": self.visits,
            "earlier_visits": self.earlier,
            "retries": self.retries,
            "signatures": self.signatures,
            "usage": usage_to_json(self.usage),
            "interrupted": usage_to_json(self.interrupted),
            "told": self.told,
            "dossier": self.dossier and self.dossier._asdict(),
            "commit": self.commit,
            "paused_ms": self.paused_ms,
            "elapsed_ms": self.elapsed_ms,
            "ended": self.ended,
            "region": self.region and _region_to_json(self.region),
        }

    @staticmethod
    def from_json(written: Mapping[str, Any], branch: str = "") -> "RunState":
        """The opposite of `to_json`; a state does not say which branch it is of."""
        state = RunState(written["seed"], branch, written["base"])
        state.home = written["home"]
        outcome = written["outcome"] and outcome_from_json(written["outcome"])
        state.position = Position(written["node"], outcome, written["restart_to"])
        state.restarts, state.context = written["restarts"], written["context"]
        state.words, state.visits, state.earlier = written["words"], written["visits"], written["earlier_visits"]
        state.retries, state.signatures = written["retries"], written["signatures"]
        state.usage, state.interrupted = Usage(**written["usage"]), Usage(**written["interrupted"])
        state.told = written["told"]
        state.dossier = written["dossier"] and Dossier(**written["dossier"])
        state.commit, state.ended = written["commit"], written["ended"]
        state.paused_ms, state.elapsed_ms = written["paused_ms"], written["elapsed_ms"]
        state.region = written["region"] and _region_from_json(written["region"], branch)
        return state


def _region_to_json(region: Region) -> dict[str, Json]:
    branches = {id_: state.to_json() for id_, state in region.branches.items()}
    return region._asdict() | {"branches": branches}


def _region_from_json(written: Mapping[str, Any], branch: str) -> Region:
    node, visit = written["node"], written["visit"]
    branches = {
        id_: RunState.from_json(state, branch_name(branch, node, visit, id_))
        for id_, state in written["branches"].items()
    }
    return Region(node, visit, written["commit"], branches, written["results"])


def branch_name(parent: str, node: str, visit: int, id_: str) -> str:
    """Return the name of a branch: COMPONENT/VISIT/TARGET below that of the walk that forked."""
    return "/".join([*([parent] if parent else []), node, str(visit), id_])


def fresh_context(state: RunState, persist_keys: Sequence[str], from_node: str) -> dict[str, Json]:
    """Return what a restart from `from_node` begins with: the seed, the persisted keys, and where it came from."""
    kept = {key: state.context[key] for key in persist_keys if key in state.context}
    return state.seed | kept | {"loop_restart.iteration": state.restarts + 1, "loop_restart.from_node": from_node}
