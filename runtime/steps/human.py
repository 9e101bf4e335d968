"""A human gate: a person chooses among the outgoing edges."""

from collections.abc import Sequence

from ..events import QuestionAnswered, QuestionAsked
from ..files import folder_name
from ..outcome import FailureClass, Outcome
from ..plan import Clause, Edge, HumanWork, Node
from ..world import Answer, Option, Question, World
from .contract import Report, Visit
from .prompt import PromptError, render


def run(visit: Visit, world: World) -> Report:
    work = visit.node.work
    assert isinstance(work, HumanWork)  # noqa: S101 - the plan's reader made it so
    try:
        question = question_of(visit, render(visit, work.prompt).strip())
    except PromptError as error:
        return Report(Outcome.failed(str(error), FailureClass.DETERMINISTIC))
    return answered(world, question, ask(visit, world, question))


def question_of(visit: Visit, text: str) -> Question:
    """Return the question of a visit; without a text the node's label asks."""
    work = visit.node.work
    assert isinstance(work, HumanWork)  # noqa: S101 - the plan's reader made it so
    return Question(
        id=question_id(visit),
        text=text or visit.node.label or visit.node.id,
        options=options_of(visit.node),
        default=work.default_choice,
        timeout_ms=work.timeout_ms,
    )


def ask(visit: Visit, world: World, question: Question) -> Answer:
    """Ask, with events around it; the time it takes does not count towards the run's wall limit."""
    node_id, number, attempt = visit.node.id, visit.number, visit.attempt
    labels = [option.label for option in question.options]
    world.emit(QuestionAsked(node_id, number, attempt, question.id, question.text, labels))
    asked_s = world.clock.now_s()
    with world.pulse.still():
        answer = world.people.ask(question, world.cancellation)
    world.meter.pause(world.clock.now_s() - asked_s)
    world.emit(QuestionAnswered(node_id, number, attempt, question.id, answer.target, answer.reason))
    return answer


def answered(world: World, question: Question, answer: Answer) -> Report:
    """Turn an answer into the stage's outcome."""
    chosen = next((option for option in question.options if option.target == answer.target), None)
    if chosen is None:
        cause = FailureClass.CANCELED if world.cancellation.reason else FailureClass.DETERMINISTIC
        return Report(Outcome.failed(answer.reason or "no answer", cause))
    return choice_of(chosen, answer.note, answer.reason)


def choice_of(option: Option, note: str, reason: str) -> Report:
    notes = "; ".join(part for part in (note, reason) if part)
    return Report(
        Outcome.success(preferred_label=option.label, suggested_next_ids=(option.target,), notes=notes),
        facts={
            "human.gate.selected": option.target,
            "human.gate.label": option.label,
            "human.gate.note": note,
        },
    )


def options_of(node: Node) -> tuple[Option, ...]:
    """Return what a person may choose at the gate."""
    return tuple(_option(edge) for edge in _choices(node))


def question_id(visit: Visit) -> str:
    """Return a name for the question that is unique in the run and fit for a file: `gate-1-1`, `fan-1-left-gate-1-1`.

    It is that of the attempt's folder, so a resumed run asks the same question again under the same name.
    """
    parts = visit.folder.relative_to(visit.run.folder).parts
    return folder_name("-".join(part for part in parts if part not in ("stages", "parallel")))


def _choices(node: Node) -> Sequence[Edge]:
    """Return the edges a person chooses among: not those that wait for the gate's own failure."""
    return [edge for edge in node.edges if not any(_waits_for_no_answer(clause) for clause in edge.when)] or node.edges


def _waits_for_no_answer(clause: Clause) -> bool:
    return clause.key == "outcome" and clause.op != "set" and (clause.op == "=") != (clause.literal == "success")


def _option(edge: Edge) -> Option:
    """Return the option of an edge: its label without the accelerator that the author wrote before it."""
    label = edge.label.strip()
    plain = label[max(0, len(label) - len(edge.match)) :]
    return Option(
        target=edge.to,
        label=(plain if plain.lower() == edge.match else label) or edge.to,
        accelerator=edge.accelerator,
    )
