"""The contract between the walk and the kinds of nodes: `Visit` in, `Report` out.

A step runs one attempt of one visit of one node. It never retries, routes, counts or writes the journal: the walk does.
Start, exit, conditional and parallel nodes have no step: they are ways of walking, not work.

The `World` that a step receives is its own: its `cancellation` also says stop at the stage's timeout and at the run's
wall limit (the walk then turns the canceled outcome into the right failure), and its `emit` knows the branch.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from ..outcome import NO_USAGE, Dossier, Json, Outcome, Usage
from ..plan import Node, Plan
from ..status import StatusFiles
from ..world import World


class RunFacts(NamedTuple):
    """What does not change while a run goes on."""

    run_id: str
    folder: Path  # the run directory
    base_sha: str  # "" without git


class Visit(NamedTuple):
    plan: Plan
    run: RunFacts
    node: Node
    number: int  # this visit of the node, from 1; a restart begins again at 1
    overall: int  # visits of the node since the run began, restarts included, this one too
    attempt: int  # from 1
    restarts: int  # how often the run has started over
    branch: str  # "" in the main walk, else "COMPONENT/VISIT/TARGET", nested ones joined by "/"
    folder: Path  # for this attempt's files; exists, empty
    workspace: Path  # where the stage works
    context: Mapping[str, Json]  # a view: read, never keep
    words: Mapping[str, str]  # likewise: the nodes of this pass and how they last ended, in that order
    previous: Outcome | None  # how the walk's last node ended; None for the first
    previous_node: str
    dossier: Dossier | None  # the failure that this stage follows, until a working stage succeeds
    environment: Mapping[str, str]  # for every child process, beside the allow-list: ATTRACTOR_STATUS_PATH, …
    status_files: StatusFiles  # where a child may report
    fidelity: str  # the node's, or that of the edge it was entered by
    thread: str  # of fidelity full; "" = the node's own
    cold: bool  # an earlier process may have talked in that thread, and this one has not

    @property
    def home(self) -> Path:
        """The folder of the walk's current pass: a branch has its own, and so has each restart."""
        return self.folder.parents[2]


class Report(NamedTuple):
    """What a step hands back.

    `outcome` None means: the stage ended normally without saying how; then the status files speak, then `auto_status`.
    `facts` are engine keys of the context that the step knows (`tool.output`, `tool.exit_status`, `last_response`,
    `human.gate.selected`, `human.gate.label`); a stage's own keys are `outcome.context_updates`, which may not touch
    those. `usage` is what this attempt spent; the walk sums it up over attempts into the stage's `Outcome.usage`.
    """

    outcome: Outcome | None
    facts: Mapping[str, Json] = MappingProxyType({})
    usage: Usage = NO_USAGE
    output_tail: str = ""  # the last lines of output, for the dossier of the stage that has to repair


NOT_PLAYED = Report(None, output_tail="not played")  # a scenario's answer for a manager that it does not name

Step = Callable[[Visit, World], Report]
