"""Parallel regions: the branches of a `component`, each walked by the same interpreter in a thread of its own.

A region is open from its `Forked` to the component's `Finished` in the journal. A branch that is over is in it as
`Joined`, with its result; one that is not goes on from its own last line. So a resumed run walks what is left.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from . import joins
from .attempts import TAIL_CHARS, dossier_of, settle
from .context import is_engine_key
from .crew import Crew, Recall
from .events import BranchFinished, BranchProgressed, BranchStarted, Event, StageFinished, StageStarted, Warned
from .files import folder_name
from .git import GitError
from .journal import Forked, Joined
from .outcome import NO_USAGE, FailureClass, Json, Outcome
from .plan import PASSIVE_KINDS, Edge, Kind, Node, ParallelWork
from .run_dir import Ending
from .state import Region, RunState
from .walk import Arrival, Stage, Walk

MAX_DEPTH = 64  # of regions inside regions
MOST_FILES = 200  # that a branch's result names

WITHOUT_FOLDER = PASSIVE_KINDS | {Kind.PARALLEL}

WalkOn = Callable[[Walk, Arrival], Ending]  # from where the state stands; from the arrival, if nothing happened yet


def run_branches(walk: Walk, node: Node, visit: int, walk_on: WalkOn) -> Stage | Ending:
    """Walk the branches up to the join; return how the component ended, or how the run ends."""
    started_s = walk.world.clock.now_s()
    walk.world.emit(StageStarted(node.id, node.kind, visit, 1, 1, ""))
    refused = refused_entry(walk, node)
    if not refused and walk.state.region is None:
        refused = _fork(walk, node, visit)
    region = walk.state.region
    if refused or region is None:
        outcome = settle(node, Outcome.failed(refused, FailureClass.STRUCTURAL))
        dossier = dossier_of(node, visit, 1, outcome, "")
        return Stage(node, visit, 1, outcome, {"parallel.results": []}, dossier, started_s)
    ending = _Open(walk, node, region, walk_on).walk_all()
    if ending is not None:
        return ending
    results = [region.results[id_] for id_ in region.branches]
    usage = sum((state.spent() for state in region.branches.values()), start=NO_USAGE)
    outcome = settle(node, joins.outcome_of(_settings(node), results, usage))
    dossier = dossier_of(node, visit, 1, outcome, _last_words(region))
    facts: dict[str, Json] = {"parallel.results": results}
    return Stage(node, visit, 1, outcome, facts, dossier, started_s, region.commit)


def _settings(node: Node) -> ParallelWork:
    assert isinstance(node.work, ParallelWork)  # noqa: S101 - the plan's reader made it so
    return node.work


def refused_entry(walk: Walk, node: Node) -> str:
    """Return why the region may not be entered; "" when it may. Branches that branch into themselves never end."""
    if node.id in walk.state.branch.split("/")[::3]:
        return f"a branch of {node.id!r} leads back to {node.id!r}; lead it to {walk.stop_at!r}"
    return f"parallel regions are nested deeper than {MAX_DEPTH}" if walk.depth >= MAX_DEPTH else ""


def _fork(walk: Walk, node: Node, visit: int) -> str:
    """Open the region; return why it cannot be opened, or ""."""
    workspace = walk.world.workspace
    try:
        commit = workspace.save(f"attractor({walk.run.run_id}): {node.id} (forked)")
    except GitError as error:
        return f"the work before {node.id!r} could not be committed, so no branch can begin: {error}"
    ids = branch_ids([edge.to for edge in node.edges])
    walk.record(Forked(walk.state.branch, node.id, visit, ids, commit))
    if not commit and len(ids) > 1:
        walk.world.emit(
            Warned(
                f"the branches of {node.id!r} share one folder, {workspace.folder}, so none may write what another one "
                f"reads or writes; with workspace.mode: worktree each has a worktree of its own"
            )
        )
    return ""


def branch_ids(targets: Sequence[str]) -> list[str]:
    """Return a name per branch: its first node, with a number when two branches begin at the same one."""
    seen: dict[str, int] = {}
    ids = []
    for target in targets:
        seen[target] = seen.get(target, 0) + 1
        ids.append(target if seen[target] == 1 else f"{target}.{seen[target]}")
    return ids


class Work(NamedTuple):
    """What a branch leaves in git."""

    branch: str
    head: str
    files: Sequence[str]  # that differ from where it began


class _Open:
    """A region while its branches walk. All of this runs in the thread that forked, but for `_walk`."""

    def __init__(self, walk: Walk, node: Node, region: Region, walk_on: WalkOn) -> None:
        self._walk_on = walk_on
        self._outer = walk
        self._node = node
        self._region = region
        self._waiting = [id_ for id_ in region.branches if id_ not in region.results]
        self._edges = dict(zip(region.branches, node.edges, strict=False))  # an edited plan may have fewer
        self._crew = Crew()
        self._recalls: dict[str, Recall] = {}
        self._work: dict[str, Work] = {}  # what the branches that ended leave in git
        self._ending: Ending | None = None  # of the run, that a branch came upon

    def walk_all(self) -> Ending | None:
        """Walk until every branch has a result; return how the run ends instead, if it does."""
        try:
            self._decide()
            while self._fill():
                ended = self._crew.next()
                if ended is not None:
                    self._take(*ended)
                    self._decide()
        except BaseException as error:
            self._crew.abandon(error, self._outer.world.shell, self._recalls.values())
            raise
        if self._ending is not None:
            return self._ending
        if len(self._region.results) < len(self._region.branches):
            return self._outer.canceled(self._node.id)
        self._tidy()
        return None

    def _tidy(self) -> None:
        """Take the worktrees away: what was done in them is committed, and its branches stay."""
        for state in self._region.branches.values():
            try:
                self._outer.world.workspace.drop(self._folder(state))
            except GitError as error:
                self._outer.world.emit(Warned(f"a worktree was left behind: {error}"))

    def _folder(self, state: RunState) -> Path:
        return self._outer.run.folder / state.base / "worktree"

    def _fill(self) -> bool:
        """Start what may start; return whether anybody walks."""
        while self._waiting and len(self._crew) < _settings(self._node).max_parallel and not self._stops():
            id_ = self._waiting.pop(0)
            edge = self._edges[id_]
            self._recalls[id_] = Recall(self._outer.world.cancellation)
            self._outer.world.emit(BranchStarted(self._node.id, self._region.visit, id_, edge.to))
            self._crew.start(id_, lambda id_=id_, edge=edge: self._walk(id_, edge))  # type: ignore[misc]
        return len(self._crew) > 0

    def _stops(self) -> bool:
        return self._ending is not None or self._outer.is_canceled()

    def _walk(self, id_: str, edge: Edge) -> Ending:
        """Walk one branch; in its own thread."""
        outer, state = self._outer, self._region.branches[id_]
        if state.position.node and state.commit and self._lost(state):
            reason = f"branch {id_!r} cannot go on: its worktree is gone, and workspace.commit_per_node is false"
            return Ending("fail", reason, FailureClass.STRUCTURAL, state.position.node)
        try:
            workspace = outer.world.workspace.branch_off(ref_of(state.base), self._folder(state), state.head())
        except GitError as error:
            return Ending("fail", f"branch {id_!r} has no worktree: {error}", FailureClass.STRUCTURAL, self._node.id)

        def emit(event: Event) -> None:
            outer.records.emit(event, state.branch)
            if isinstance(event, StageFinished):
                told = BranchProgressed(self._node.id, self._region.visit, id_, event.node_id, event.status)
                outer.records.emit(told, outer.state.branch)

        world = outer.world._replace(emit=emit, cancellation=self._recalls[id_], workspace=workspace)
        join = _settings(self._node).join
        walk = outer._replace(state=state, world=world, depth=outer.depth + 1, stop_at=join)
        ending = self._walk_on(walk, Arrival(edge.to, edge))
        try:
            head = workspace.seal(f"attractor({outer.run.run_id}): {state.branch} ({ending.status})")
            if head:
                self._work[id_] = Work(workspace.branch, head, workspace.changed_since(self._region.commit))
        except GitError as error:
            reason = f"the work of branch {id_!r} could not be committed: {error}"
            return Ending("fail", reason, FailureClass.STRUCTURAL, state.position.node)
        return ending

    def _lost(self, state: RunState) -> bool:
        """Whether what a branch did before the run was cut off is nowhere any more."""
        return not self._outer.plan.workspace.commit_per_node and not self._folder(state).exists()

    def _take(self, id_: str, ending: Ending) -> None:
        """Note how a branch ended, unless it has to be walked on by a resumed run."""
        if self._is_of_run(ending):
            self._ending = self._ending or ending
            self._recall(ending.reason)
        elif ending.status == "success" or not (self._stops() and ending.status == "canceled"):
            self._join(id_, ending)

    def _is_of_run(self, ending: Ending) -> bool:
        """Whether the branch came upon a limit of the whole run, which no join can make good."""
        meter = self._outer.meter
        at_a_limit = ending.failure_class == FailureClass.BUDGET_EXHAUSTED
        return at_a_limit and (meter.time_is_up() or meter.money_is_spent()) is not None

    def _join(self, id_: str, ending: Ending) -> None:
        region = self._region
        result = result_of(self._outer, region.branches[id_], id_, ending, self._work.get(id_))
        self._outer.record(Joined(self._outer.state.branch, self._node.id, region.visit, id_, result))
        self._outer.world.emit(_finished_event(self._node, region.visit, result))

    def _decide(self) -> None:
        """When the policy has what it needs, recall those that walk and drop those that have not begun."""
        results = list(self._region.results.values())
        why = joins.decided(_settings(self._node), len(self._region.branches), results)
        if why:
            reason = f"not needed any more: {why}"
            self._recall(reason)
            waiting, self._waiting = self._waiting, []
            for id_ in waiting:
                self._join(id_, Ending("canceled", reason, "", self._edges[id_].to))

    def _recall(self, reason: str) -> None:
        for recall in self._recalls.values():
            recall.stop(reason)


def ref_of(home: str) -> str:
    """Return a branch's name in git from its folder: `fan/1/left`, one below it `fan/1/left+inner/1/a`.

    A ref cannot be a file and a folder at once, so what nests is not below what it nests in.
    """
    parts = iter(home.split("/"))
    return "+".join("/".join([next(parts), next(parts), next(parts)]) if at == "parallel" else at for at in parts)


class Ended(NamedTuple):
    """A branch's last word."""

    node: str
    word: str
    failure_class: str
    reason: str
    notes: str


def _last_word(state: RunState, ending: Ending) -> Ended:
    if ending.status == joins.CANCELED:
        return Ended(ending.node, joins.CANCELED, FailureClass.CANCELED, ending.reason, "")
    if ending.status != "success":
        failure_class = ending.failure_class or FailureClass.DETERMINISTIC
        return Ended(ending.node, "fail", str(failure_class), ending.reason, "")
    outcome = state.position.outcome or Outcome.success()
    if outcome.failure_class is not None:  # an edge led the failure to the join
        return Ended(state.position.node, "fail", str(outcome.failure_class), outcome.failure_reason, outcome.notes)
    return Ended(state.position.node, outcome.word, "", "", outcome.notes)


def result_of(walk: Walk, state: RunState, id_: str, ending: Ending, work: Work | None) -> joins.Result:
    """Return what `parallel.results` holds of a branch: all that whoever follows may want to know."""
    ended = _last_word(state, ending)
    seed = state.seed
    return {
        "id": id_,
        "outcome": ended.word,
        "last_node": ended.node,
        "failure_class": ended.failure_class,
        "failure_reason": ended.reason,
        "notes": ended.notes,
        "response": state.context.get("last_response", ""),
        "context": {k: v for k, v in state.context.items() if not is_engine_key(k) and seed.get(k) != v},
        "artifacts": {
            node: f"{state.home}/stages/{folder_name(node)}"
            for node in state.words
            if walk.plan.nodes[node].kind not in WITHOUT_FOLDER
        },
        "git_branch": work.branch if work else "",
        "head_sha": work.head if work else "",
        "files": work.files[:MOST_FILES] if work else [],
    }


def _finished_event(node: Node, visit: int, result: Mapping[str, Any]) -> BranchFinished:
    return BranchFinished(
        node_id=node.id,
        visit=visit,
        branch_id=result["id"],
        last_node=result["last_node"],
        status=result["outcome"],
        failure_class=result["failure_class"],
        reason=result["failure_reason"],
    )


def _last_words(region: Region) -> str:
    """Return the last output of the branches that failed, for whoever has to repair."""
    dossiers = ((id_, state.dossier) for id_, state in region.branches.items() if joins.failed(region.results[id_]))
    tails = [f"[{id_}] {dossier.output_tail}" for id_, dossier in dossiers if dossier and dossier.output_tail]
    return "\n".join(tail[-TAIL_CHARS // len(tails) :] for tail in tails)
