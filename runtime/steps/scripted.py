"""A turn of a scenario, played: the same files, events and outcome that the real thing would have left."""

from collections.abc import Mapping
from pathlib import Path

from ..events import LlmRequestSent, LlmResponseReceived
from ..failure import parse_class
from ..outcome import FailureClass, Json, Outcome, Status
from ..plan import CodergenWork, Model, Node
from ..questions import named
from ..scripted import Turn
from ..session_log import SessionLog, write_provider_used, write_text
from ..status import normalise_word, outcome_of_word
from ..world import Answer, Command, World
from . import human
from .contract import Report, Visit
from .output import OutputEvents
from .prompt import PromptError, stage_prompt
from .tool import failure, tail


def play_agent(visit: Visit, world: World, turn: Turn, backend: str) -> Report:
    """Answer an LLM stage; `backend` is what provider_used.json says: scripted or simulated."""
    work = visit.node.work
    assert isinstance(work, CodergenWork)  # noqa: S101 - the plan's reader made it so
    model = work.llm.chain[0]
    try:
        prompt = stage_prompt(visit, work.prompt)
    except PromptError as error:
        return Report(Outcome.failed(str(error), FailureClass.DETERMINISTIC))
    write_text(visit.folder / "prompt.md", prompt)
    log = SessionLog(visit.folder, f"{visit.node.id}-{visit.overall}-{visit.attempt}", world.clock)
    log.add("SESSION_START", {"provider": model.provider, "model": model.model, "mode": work.mode, "backend": backend})
    log.add("USER_INPUT", {"content": prompt})
    started_s = world.clock.now_s()
    _emit_requests(visit, world, turn, model)
    failed, output = _work(visit, world, turn)
    _log_calls(log, turn)
    text = text_of(turn, visit.node)
    outcome = failed or outcome_of(turn, visit.node)
    if outcome is None and work.mode == "one_shot":
        outcome = Outcome.success()  # one call that ends with text
    log.add("ASSISTANT_TEXT_END", {"text": text, "tool_call_count": len(turn.tool_calls)})
    log.add("SESSION_END", {"state": outcome.word if outcome else ""})
    _emit_response(visit, world, turn, model, round((world.clock.now_s() - started_s) * 1000))
    write_text(visit.folder / "response.md", text.rstrip("\n") + "\n")
    write_provider_used(
        visit.folder, provider=model.provider, model=model.model, mode=work.mode, backend=backend, failovers=0
    )
    return Report(outcome, facts={"last_response": text}, usage=turn.usage, output_tail=output or text[-4_000:])


def play_tool(visit: Visit, world: World, turn: Turn) -> Report:
    """Answer a tool node: its text is what the command printed."""
    stdout, stderr = visit.folder / "stdout.log", visit.folder / "stderr.log"
    write_text(stdout, turn.text)
    write_text(stderr, turn.failure_reason)
    failed, output = _work(visit, world, turn)
    outcome = failed or outcome_of(turn, visit.node) or Outcome.success()
    return Report(
        outcome,
        facts=tool_facts(turn, outcome),
        output_tail=output or "\n".join(part for part in (turn.text, turn.failure_reason) if part),
    )


def play_manager(visit: Visit, world: World, turn: Turn) -> Report:
    """Answer a manager: its child does not run."""
    failed, output = _work(visit, world, turn)
    outcome = failed or outcome_of(turn, visit.node) or Outcome.success()
    return Report(outcome, facts={"last_response": text_of(turn, visit.node)}, output_tail=output or turn.text)


def play_gate(visit: Visit, world: World, turn: Turn) -> Report:
    """Answer a human gate: `preferred_label` names the option, else the default or the first is taken."""
    failed, _ = _work(visit, world, turn)
    outcome = outcome_of(turn, visit.node)
    if failed is not None or (outcome is not None and outcome.status is not Status.SUCCESS):
        return Report(failed or outcome)
    question = human.question_of(visit, "")
    chosen = named(question.options, turn.preferred_label) if turn.preferred_label else None
    if turn.preferred_label and chosen is None:
        reason = f"the scenario chooses {turn.preferred_label!r}, which is not an option of {visit.node.id}"
        return Report(Outcome.failed(reason, FailureClass.STRUCTURAL))
    target = chosen.target if chosen else question.default or question.options[0].target
    return human.answered(world, question, Answer(target=target, reason="answered by the scenario"))


def text_of(turn: Turn, node: Node) -> str:
    """Return what the model says in an LLM stage."""
    return turn.text or f"(scripted) {node.id} ends in {turn.status or 'no outcome'}."


def tool_facts(turn: Turn, outcome: Outcome) -> Mapping[str, Json]:
    """Return what a tool node leaves in the context."""
    wrong = outcome.status in (Status.FAIL, Status.RETRY)
    return {
        "tool.output": turn.text + turn.failure_reason,
        "tool.exit_status": turn.exit_code if turn.exit_code is not None else int(wrong),
    }


def outcome_of(turn: Turn, node: Node) -> Outcome | None:
    """Return what the turn reports; None where it ends without saying how."""
    if turn.status is None:
        return None
    said = outcome_of_word(normalise_word(turn.status))
    wrong = said.status in (Status.FAIL, Status.RETRY)
    return Outcome(
        status=said.status,
        word=said.word,
        preferred_label=turn.preferred_label,
        suggested_next_ids=turn.suggested_next_ids,
        context_updates=turn.context_updates,
        notes=turn.notes,
        failure_reason=(turn.failure_reason or f"scripted failure of {node.id}") if wrong else "",
        failure_class=parse_class(turn.failure_class) if wrong else None,
    )


def _work(visit: Visit, world: World, turn: Turn) -> tuple[Outcome | None, str]:
    """Wait, write the files, run the commands; return how that failed, if it did, and the last lines of output."""
    if turn.delay_ms and world.cancellation.wait(turn.delay_ms / 1000):
        return Outcome.failed(world.cancellation.reason, FailureClass.CANCELED), ""
    for name, text in turn.files.items():
        path = _inside(visit.workspace, name)
        if path is None:
            return Outcome.failed(f"the scenario writes outside the workspace: {name}", FailureClass.STRUCTURAL), ""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    output = ""
    for number, text in enumerate(turn.commands, start=1):
        failed, output = _run(visit, world, number, text)
        if failed is not None:
            return failed, output
    return None, output


def _run(visit: Visit, world: World, number: int, text: str) -> tuple[Outcome | None, str]:
    command = Command(
        command=text,
        folder=visit.workspace,
        environment=visit.environment,
        timeout_ms=visit.node.timeouts.command_max_ms,
        stdout=visit.folder / f"command-{number}-stdout.log",
        stderr=visit.folder / f"command-{number}-stderr.log",
    )
    events = OutputEvents(visit, world)
    result = world.shell.run(command, world.cancellation, events)
    events.flush()
    return failure(command, result, f"scripted command {number}"), tail(command)


def _inside(workspace: Path, name: str) -> Path | None:
    """Return the path of `name` in the workspace; None if it leads out of it."""
    path = (workspace / name).resolve()
    return path if path.is_relative_to(workspace.resolve()) else None


def _log_calls(log: SessionLog, turn: Turn) -> None:
    for number, call in enumerate(turn.tool_calls, start=1):
        call_id = f"call_{number}"
        log.add("TOOL_CALL_START", {"tool_name": call.name, "call_id": call_id, "arguments": call.arguments})
        log.add(
            "TOOL_CALL_END",
            {"tool_name": call.name, "call_id": call_id, "full_output": call.result, "is_error": call.is_error},
        )


def _emit_requests(visit: Visit, world: World, turn: Turn, model: Model) -> None:
    for request in range(1, turn.usage.llm_calls + 1):
        world.emit(
            LlmRequestSent(
                node_id=visit.node.id,
                visit=visit.number,
                attempt=visit.attempt,
                provider=model.provider,
                model=model.model,
                request=request,
            )
        )


def _emit_response(visit: Visit, world: World, turn: Turn, model: Model, duration_ms: int) -> None:
    if not turn.usage.llm_calls:
        return
    world.emit(
        LlmResponseReceived(
            node_id=visit.node.id,
            visit=visit.number,
            attempt=visit.attempt,
            provider=model.provider,
            model=model.model,
            request=turn.usage.llm_calls,
            finish_reason="stop",
            input_tokens=turn.usage.input_tokens,
            output_tokens=turn.usage.output_tokens,
            cache_read_tokens=turn.usage.cache_read_tokens,
            cache_write_tokens=turn.usage.cache_write_tokens,
            cost_usd=turn.usage.cost_usd,
            duration_ms=duration_ms,
        )
    )
