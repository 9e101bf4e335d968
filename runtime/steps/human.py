"""A human gate: a person chooses among the outgoing edges."""

from ..events import QuestionAnswered, QuestionAsked
from ..outcome import FailureClass, Outcome
from ..plan import Edge, HumanWork, Node
from ..world import Answer, Option, Question, World
from .contract import Report, Visit
from .prompt import PromptError, render


def run(visit: Visit, world: World) -> Report:
    work = visit.node.work
    assert isinstance(work, HumanWork)  # noqa: S101 - the plan's reader made it so
    try:
        text = render(visit, work.prompt)
    except PromptError as error:
        return Report(Outcome.failed(str(error), FailureClass.STRUCTURAL))
    question = Question(
        id=question_id(visit),
        text=text.strip() or visit.node.label or visit.node.id,
        options=options(visit.node),
        default=work.default_choice,
        timeout_ms=work.timeout_ms,
    )
    return answered(world, question, ask(visit, world, question))


def ask(visit: Visit, world: World, question: Question) -> Answer:
    """Ask, with events around it; the time it takes does not count towards the run's wall limit."""
    place = {"node_id": visit.node.id, "visit": visit.number, "attempt": visit.attempt, "question": question.id}
    labels = [option.label for option in question.options]
    world.emit(QuestionAsked(**place, text=question.text, options=labels))  # type: ignore[arg-type]
    asked_s = world.clock.now_s()
    answer = world.people.ask(question, world.cancellation)
    world.meter.pause(world.clock.now_s() - asked_s)
    world.emit(QuestionAnswered(**place, to=answer.target, reason=answer.reason))  # type: ignore[arg-type]
    return answer


def answered(world: World, question: Question, answer: Answer) -> Report:
    """Turn an answer into the stage's outcome."""
    chosen = next((option for option in question.options if option.target == answer.target), None)
    if chosen is None:
        cause = FailureClass.CANCELED if world.cancellation.reason else FailureClass.DETERMINISTIC
        return Report(Outcome.failed(answer.reason or "no answer", cause))
    return Report(
        Outcome.success(preferred_label=chosen.label, suggested_next_ids=(chosen.target,), notes=answer.reason),
        facts={"human.gate.selected": chosen.target, "human.gate.label": chosen.label},
    )


def question_id(visit: Visit) -> str:
    """Return a name for the question that is unique in the run and fit for a file."""
    place = f"{visit.branch.replace('/', '-')}-" if visit.branch else ""
    return f"{place}{visit.node.id}-{visit.overall}-{visit.attempt}"


def options(node: Node) -> tuple[Option, ...]:
    return tuple(_option(edge) for edge in node.edges)


def _option(edge: Edge) -> Option:
    return Option(target=edge.to, label=edge.label or edge.to, accelerator=edge.accelerator)
