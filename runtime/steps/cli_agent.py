"""An LLM stage that a vendor's own agent answers: `backend: cli`.

The program works by itself, with its own tools and its own login; we start it, read its stream and bound it. It reports
by the status file; a program that ends without one is asked for it once, in the same session.
"""

from dataclasses import replace

from ..cli_agents.contract import Called, Failed, Heard, Noted, Order, Returned, Said
from ..cli_agents.programs import PROGRAMS
from ..cli_agents.turn import Place, Turn, take_turn
from ..events import LlmFailedOver, LlmRequestSent, LlmResponseReceived
from ..llm.cost import usage_of
from ..llm.errors import LlmError, outcome_of
from ..outcome import NO_USAGE, FailureClass, Outcome, Usage
from ..plan import CodergenWork, Model
from ..session_log import SessionLog, write_provider_used, write_text
from ..world import World
from .contract import Report, Visit
from .output import OutputEvents
from .prompt import PromptError, stage_prompt

TAIL_CHARS = 4_000
ASK_AGAIN = (
    "You have not said how the stage ended. Write the JSON that you were asked for to $ATTRACTOR_STATUS_PATH now, and "
    "do nothing else."
)


def run(visit: Visit, world: World, work: CodergenWork) -> Report:
    try:
        prompt = stage_prompt(visit, work.prompt)
    except PromptError as error:
        return Report(Outcome.failed(str(error), FailureClass.DETERMINISTIC))
    stage = _Stage(visit, world, work)
    turn = stage.answer(prompt)
    return stage.report(turn)


class _Stage:
    """One attempt: its files, what it has spent, and its place in the chain."""

    def __init__(self, visit: Visit, world: World, work: CodergenWork) -> None:
        self._visit = visit
        self._world = world
        self._work = work
        self._log = SessionLog(visit.folder, f"{visit.node.id}-{visit.overall}-{visit.attempt}", world.clock)
        self._output = OutputEvents(visit, world)
        self._usage = NO_USAGE
        self._before = NO_USAGE  # of earlier turns of a session that counts them in
        self._turns = 0
        self._place = 0

    @property
    def _model(self) -> Model:
        return self._work.llm.chain[self._place]

    def answer(self, prompt: str) -> Turn:
        """Ask along the chain until a program ends as it should; return the last turn."""
        while True:
            turn = self._take(prompt, "")
            error = turn.error
            if error is None:
                return self._asked_again(turn)
            if not error.failover_ok or self._place + 1 >= len(self._work.llm.chain):
                return turn
            given_up, self._place = self._model, self._place + 1
            visit = self._visit
            self._world.emit(
                LlmFailedOver(visit.node.id, visit.number, visit.attempt, *given_up, *self._model, error.message)
            )

    def _asked_again(self, turn: Turn) -> Turn:
        """Ask once for the outcome, if the stage has to report one and has not."""
        must = self._work.mode == "agent_loop" and not self._visit.node.auto_status
        if not must or not turn.session or self._visit.status_files.reported:
            return turn
        again = self._take(ASK_AGAIN, turn.session)
        return again._replace(text=turn.text, error=again.error if _was_canceled(again.error) else None)

    def _take(self, prompt: str, session: str) -> Turn:
        visit, model = self._visit, self._model
        provider = visit.plan.providers[model.provider]
        program = PROGRAMS[provider.executable]
        self._turns += 1
        facts = {"provider": model.provider, "model": model.model, "mode": self._work.mode, "backend": "cli"}
        if not session:
            self._log.add("SESSION_START", facts)
        self._log.add("USER_INPUT", {"content": prompt})
        where = (visit.node.id, visit.number, visit.attempt, *model, self._turns)
        self._world.emit(LlmRequestSent(*where))
        started_s = self._world.clock.now_s()
        turn = take_turn(
            program,
            Order(
                executable=provider.executable,
                provider=model.provider,
                model=model.model,
                effort=self._work.llm.reasoning_effort,
                folder=str(visit.workspace),
                tools=self._work.mode == "agent_loop",
                session=session,
            ),
            prompt,
            Place(visit.folder, visit.workspace, visit.environment, visit.node.timeouts.command_max_ms, self._turns),
            self._world,
            self._heard,
        )
        spent = self._charge(turn, model)
        if turn.error is None:
            duration_ms = round((self._world.clock.now_s() - started_s) * 1000)
            self._world.emit(
                LlmResponseReceived(
                    *where,
                    "stop",
                    spent.input_tokens,
                    spent.output_tokens,
                    spent.cache_read_tokens,
                    spent.cache_write_tokens,
                    spent.cost_usd,
                    duration_ms,
                )
            )
        return turn

    def _heard(self, heard: Heard) -> None:
        """Write down what the program says, and show its words and its calls."""
        match heard:
            case Said(text):
                self._log.add("ASSISTANT_TEXT_END", {"text": text})
                self._output("stdout", f"{text}\n".encode(errors="replace"))
            case Called(call_id, name, arguments):
                self._log.add("TOOL_CALL_START", {"tool_name": name, "call_id": call_id, "arguments": arguments})
                self._output("stdout", f"[{name}]\n".encode(errors="replace"))
            case Returned(call_id, output, is_error):
                self._log.add("TOOL_CALL_END", {"call_id": call_id, "full_output": output, "is_error": is_error})
                self._output("stdout", b"")
            case Noted(message):
                self._log.add("WARNING", {"message": message})
            case Failed(message, status):
                self._log.add("ERROR", {"message": message, "status": status})
            case _:
                pass

    def _charge(self, turn: Turn, model: Model) -> Usage:
        """Count what the turn has used; return it."""
        spent = turn.spent
        if spent is None:
            used = Usage(llm_calls=1, cost_usd=None if turn.error is None else 0.0)
        else:
            price = self._visit.plan.providers[model.provider].prices.get(model.model)
            used = usage_of(spent.tokens, price)
            cost = used.cost_usd if spent.cost_usd is None else spent.cost_usd
            used = replace(used, llm_calls=spent.requests or 1 + turn.calls, cost_usd=cost)
        if spent is not None and spent.of_session:
            used, self._before = _less(used, self._before), used
        self._usage += used
        self._world.meter.running(self, self._usage)
        return used

    def report(self, turn: Turn) -> Report:
        self._output.flush()
        self._world.meter.running(self, NO_USAGE)
        outcome = None if turn.error is None else outcome_of(turn.error)
        if outcome is None and self._work.mode == "one_shot":
            outcome = _answered(turn)
        self._log.add("SESSION_END", {"state": outcome.word if outcome else "ended"})
        model = self._model
        write_text(self._visit.folder / "response.md", turn.text.rstrip("\n") + "\n")
        write_provider_used(
            self._visit.folder,
            provider=model.provider,
            model=model.model,
            mode=self._work.mode,
            backend="cli",
            failovers=self._place,
        )
        facts = {"last_response": turn.text} if turn.text else {}
        return Report(outcome, facts=facts, usage=self._usage, output_tail=turn.text[-TAIL_CHARS:])


def _answered(turn: Turn) -> Outcome:
    if turn.text.strip():
        return Outcome.success()
    return Outcome.failed("the agent said nothing at all", FailureClass.TRANSIENT_INFRA)


def _was_canceled(error: LlmError | None) -> bool:
    return error is not None and error.failure_class is FailureClass.CANCELED


def _less(total: Usage, earlier: Usage) -> Usage:
    """Return what `total` holds beyond `earlier`; both are of one session, so that nothing is negative."""
    known = total.cost_usd is not None and earlier.cost_usd is not None
    return Usage(
        llm_calls=total.llm_calls,
        input_tokens=max(0, total.input_tokens - earlier.input_tokens),
        output_tokens=max(0, total.output_tokens - earlier.output_tokens),
        cache_read_tokens=max(0, total.cache_read_tokens - earlier.cache_read_tokens),
        cache_write_tokens=max(0, total.cache_write_tokens - earlier.cache_write_tokens),
        cost_usd=max(0.0, (total.cost_usd or 0.0) - (earlier.cost_usd or 0.0)) if known else None,
    )
