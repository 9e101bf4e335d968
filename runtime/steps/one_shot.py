"""An LLM stage of one call: the prompt goes out, what comes back is the result.

A text is a success. `report_outcome` is the only tool; what it reports counts more than the text.
"""

from typing import NamedTuple

from ..agent.history import check_pairs
from ..agent.record import Record
from ..llm.client import Asker, Attempt, Conversation
from ..llm.errors import LlmError, outcome_of
from ..llm.messages import Finish, Request, Response, ToolResult, tool_results, user
from ..outcome import NO_USAGE, FailureClass, Outcome, Usage
from ..plan import CodergenWork
from ..session_log import SessionLog, write_provider_used, write_text
from ..world import World
from . import report_outcome
from .contract import Report, Visit
from .prompt import PromptError, stage_prompt
from .thread import Memory, place, remembered, speaker
from .wire_files import WireFiles, attempts_json, last_place

TAIL_CHARS = 4_000
NOTED = "noted; the stage is over"  # of a call, for stages that go on with the conversation


class Said(NamedTuple):
    """What came of the call."""

    outcome: Outcome
    text: str = ""
    place: int = 0  # of the chain's entry that was asked last
    usage: Usage = NO_USAGE
    attempts: tuple[Attempt, ...] = ()


def run(visit: Visit, world: World, work: CodergenWork) -> Report:
    """Answer a stage whose provider is asked over HTTP."""
    try:
        memory = remembered(visit)
        prompt = stage_prompt(visit, work.prompt, memory.told)
    except PromptError as error:
        return Report(Outcome.failed(str(error), FailureClass.DETERMINISTIC))
    write_text(visit.folder / "prompt.md", prompt)
    model = work.llm.chain[0]
    log = SessionLog(visit.folder, f"{visit.node.id}-{visit.overall}-{visit.attempt}", world.clock)
    log.add("SESSION_START", {"provider": model.provider, "model": model.model, "mode": work.mode, "backend": "api"})
    log.add("USER_INPUT", {"content": prompt})
    if memory.warning:
        log.add("WARNING", {"code": "thread", "message": memory.warning})
    said = _ask(visit, world, work, prompt, memory, log)
    outcome = said.outcome
    log.add("SESSION_END", {"state": outcome.word})
    used = work.llm.chain[said.place]
    write_text(visit.folder / "response.md", said.text.rstrip("\n") + "\n")
    write_provider_used(
        visit.folder,
        provider=used.provider,
        model=used.model,
        mode=work.mode,
        backend="api",
        failovers=said.place,
        attempts=attempts_json(said.attempts),
    )
    facts = {"last_response": said.text} if said.text else {}
    return Report(outcome, facts=facts, usage=said.usage, output_tail=said.text[-TAIL_CHARS:])


def _ask(visit: Visit, world: World, work: CodergenWork, prompt: str, memory: Memory, log: SessionLog) -> Said:
    asker = Asker(visit.run.run_id, visit.node.id, visit.number, visit.attempt)
    files = WireFiles(visit.folder, log)
    try:
        talk = Conversation(visit.plan, work.llm.chain, asker, world, files, place=last_place(visit, work.llm.chain))
    except LlmError as error:
        return Said(outcome_of(error))
    with talk, Record(place(visit), speaker(visit), memory.found, talk.hide) as kept:
        files.hide = log.hide = talk.hide
        kept.add(user(prompt))
        request = Request(
            messages=tuple(kept.messages),
            tools=(report_outcome.definition(visit.node.outcomes),),
            max_tokens=work.llm.max_tokens,
            reasoning_effort=work.llm.reasoning_effort,
        )
        text = ""
        try:
            check_pairs(request.messages)
            response = talk.ask(request)
            message = kept.add(response.message)
            if message.calls:
                kept.add(tool_results([ToolResult(call.id, call.name, NOTED) for call in message.calls]))
            text = response.text
            log.add("ASSISTANT_TEXT_END", {"text": text, "tool_call_count": len(response.calls)})
            outcome = _outcome(response)
        except LlmError as error:
            outcome = outcome_of(error)
        kept.end(outcome.word)
        return Said(outcome, text, talk.place, talk.usage, tuple(talk.attempts))


def _outcome(response: Response) -> Outcome:
    """Return how the stage ended; the last report counts."""
    detail = f" ({response.finish_detail})" if response.finish_detail else ""
    if response.finish is Finish.CONTENT_FILTER:
        return _unusable(f"refused to answer{detail}", FailureClass.DETERMINISTIC)
    if response.finish is Finish.ERROR:
        return _unusable(f"ended in an error{detail}", FailureClass.TRANSIENT_INFRA)
    calls = [call for call in response.calls if call.name == report_outcome.NAME]
    if calls:
        reported = report_outcome.read(calls[-1])
        return reported if isinstance(reported, Outcome) else _unusable(reported, FailureClass.DETERMINISTIC)
    if response.calls:
        reason = f"called {response.calls[0].name}, a tool that it does not have"
        return _unusable(reason, FailureClass.DETERMINISTIC)
    if response.finish is Finish.LENGTH:
        reason = f"was cut off at its output limit{detail}; raise max_tokens"
        return _unusable(reason, FailureClass.BUDGET_EXHAUSTED)
    if response.finish is Finish.OTHER and detail:
        return _unusable(f"ended early{detail}", FailureClass.TRANSIENT_INFRA)
    if response.text.strip():
        return Outcome.success()
    return _unusable("said nothing at all", FailureClass.TRANSIENT_INFRA)


def _unusable(what: str, failure_class: FailureClass) -> Outcome:
    return Outcome.failed(f"the model {what}", failure_class)
