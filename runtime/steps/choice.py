"""A join with a prompt: one call to its model, which names the branch to take.

It is an LLM stage of one call like any other: with a scenario it is played, with a provider it is asked, along the
whole chain. What it says is read here: the label it prefers, else the one branch that its answer names.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from ..context import as_text
from ..events import Warned
from ..joins import Result
from ..outcome import FailureClass, Outcome, Status
from ..plan import CodergenWork, FanInWork, Kind, Prompt
from ..world import World
from .contract import Report, Step, Visit
from .prompt import PromptError, render

CHOSEN = "parallel.fan_in.best_id"
MOST_FILES = 20  # of a branch that the prompt names
MOST_CHARS = 2_000  # of what a branch said


def choosing(ranked: Sequence[Result], model: Step) -> Step:
    """Return the step that lets `model` choose among the branches, the best by outcome first."""

    def choose(visit: Visit, world: World) -> Report:
        work = visit.node.work
        assert isinstance(work, FanInWork) and work.prompt is not None and work.llm is not None  # noqa: S101, PT018
        try:
            text = f"{render(visit, work.prompt).rstrip()}\n\n{described(ranked)}"
        except PromptError as error:
            return Report(Outcome.failed(str(error), FailureClass.DETERMINISTIC))
        asks = CodergenWork("one_shot", Prompt(text, "plain", ()), work.llm, ())
        report = model(visit._replace(node=visit.node._replace(kind=Kind.CODERGEN, work=asks)), world)
        return _read(report, ranked, visit, world)

    return choose


def described(ranked: Sequence[Result]) -> str:
    """Return what the model has to know of the branches, and how it answers."""
    ids = ", ".join(str(each["id"]) for each in ranked)
    lines = [
        "# The branches",
        "",
        f"Choose one of them: {ids}. Call the tool `report_outcome` with status=success and preferred_label=ID, or end "
        "your answer with a line that holds nothing but the ID.",
    ]
    for each in ranked:
        lines += ["", f"## {each['id']}", "", f"- outcome: {each['outcome']}, last stage {each['last_node']}"]
        lines += [f"- notes: {each['notes']}"] if each["notes"] else []
        lines += [f"- context: {as_text(each['context'])}"[:MOST_CHARS]] if each["context"] else []
        files: Sequence[str] = each["files"]  # type: ignore[assignment]
        more = f" and {len(files) - MOST_FILES} more" if len(files) > MOST_FILES else ""
        lines += [f"- changed files: {', '.join(files[:MOST_FILES])}{more}"] if files else []
        lines += ["", str(each["response"])[:MOST_CHARS]] if each["response"] else []
    return "\n".join(lines)


def _read(report: Report, ranked: Sequence[Result], visit: Visit, world: World) -> Report:
    """Turn what the model said into the choice; a failure when it named what there is not."""
    said = report.outcome or Outcome.success()  # an agent of another program may only speak
    if said.status not in (Status.SUCCESS, Status.PARTIAL_SUCCESS):
        return report
    ids = [str(each["id"]) for each in ranked]
    label = said.preferred_label.strip()
    chosen = label if label in ids else "" if label else _named(str(report.facts.get("last_response", "")), ids)
    if label and not chosen:
        reason = f"the model chose {label!r}, which is no branch to choose; it may choose: {', '.join(ids)}"
        return report._replace(outcome=Outcome.failed(reason, FailureClass.DETERMINISTIC))
    if not chosen:
        world.emit(Warned(f"the model of {visit.node.id!r} named no branch; the best by outcome is taken: {ids[0]}"))
        chosen = ids[0]
    # A branch is no edge: the label has served its purpose.
    outcome = replace(said, preferred_label="", context_updates={})
    return report._replace(outcome=outcome, facts={**report.facts, CHOSEN: chosen})


def _named(text: str, ids: Sequence[str]) -> str:
    """Return the branch that the last line is, else the only one that the text names; "" for none."""
    lines = [line.strip(" \t`*\"'.") for line in text.splitlines() if line.strip()]
    if lines and lines[-1] in ids:
        return lines[-1]
    named = [id_ for id_ in ids if re.search(rf"(?<![\w.]){re.escape(id_)}(?![\w]|\.\w)", text)]
    return named[0] if len(named) == 1 else ""
