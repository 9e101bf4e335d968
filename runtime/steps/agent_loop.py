"""An LLM stage that works with tools: a session over HTTP, and what it leaves in the stage's folder."""

from collections.abc import Mapping

from ..agent import profiles
from ..agent.inbox import Inbox
from ..agent.instructions import read_instructions
from ..agent.record import Record
from ..agent.session import Ended, Ports, Profile, Rules, Session
from ..agent.system_prompt import git_snapshot, system_prompt
from ..agent.tools.contract import Bench
from ..agent.tools.dispatch import Toolbox
from ..llm.client import Asker, Conversation
from ..llm.errors import LlmError, outcome_of
from ..outcome import NO_USAGE, FailureClass, Json, Outcome
from ..plan import CodergenWork, Provider
from ..session_log import SessionLog, write_provider_used, write_text
from ..world import World
from .contract import Report, Visit
from .output import OutputEvents
from .prompt import PromptError, stage_prompt
from .report_outcome import Desk
from .thread import Memory, place, remembered, speaker
from .wire_files import WireFiles, attempts_json, last_place

TAIL_CHARS = 4_000


def run(visit: Visit, world: World, work: CodergenWork) -> Report:
    memory = remembered(visit)
    try:
        prompt = stage_prompt(visit, work.prompt, memory.told)
    except PromptError as error:
        return Report(Outcome.failed(str(error), FailureClass.DETERMINISTIC))
    write_text(visit.folder / "prompt.md", prompt)
    return _Stage(visit, world, work).answer(prompt, memory)


class _Stage:
    """One attempt: its doors, its tools, and what it leaves."""

    def __init__(self, visit: Visit, world: World, work: CodergenWork) -> None:
        self._visit = visit
        self._world = world
        self._work = work
        self._log = SessionLog(visit.folder, f"{visit.node.id}-{visit.overall}-{visit.attempt}", world.clock)
        self._files = WireFiles(visit.folder, self._log)
        self._output = OutputEvents(visit, world)
        self._desk = Desk(visit.node.outcomes)
        self._profiles: dict[str, Profile] = {}
        self._git: str | None = None

    def answer(self, prompt: str, memory: Memory) -> Report:
        visit, work = self._visit, self._work
        asker = Asker(visit.run.run_id, visit.node.id, visit.number, visit.attempt)
        try:
            talk = Conversation(
                visit.plan,
                work.llm.chain,
                asker,
                self._world,
                self._files,
                place=last_place(visit, work.llm.chain),
            )
        except LlmError as error:
            return self._report(None, Ended(outcome_of(error), ""))
        self._files.hide = self._log.hide = self._output.hide = talk.hide
        with talk, Record(place(visit), speaker(visit), memory.found, talk.hide) as kept:
            self._tell_start(talk, kept, memory)
            ended = Session(self._ports(talk, kept), self._rules()).run(prompt)
            outcome = ended.outcome or self._desk.outcome
            if outcome is not None and ended.is_spent:
                kept.give_up(outcome.failure_reason)
            kept.end(outcome.word if outcome else "")
            return self._report(talk, ended._replace(outcome=outcome))

    def _ports(self, talk: Conversation, kept: Record) -> Ports:
        return Ports(
            model=talk,
            record=kept,
            profile=self._profile,
            reported=lambda: self._desk.outcome is not None,
            told=lambda: self._desk.outcome is not None or self._visit.status_files.reported,
            inbox=Inbox(self._visit.folder / "inbox.ndjson"),
            tell=self._log.add,
            show=self._show,
            cancellation=self._world.cancellation,
        )

    def _rules(self) -> Rules:
        llm = self._work.llm
        return Rules(
            max_turns=llm.max_agent_turns,
            malformed_limit=self._visit.plan.policy.malformed_tool_call_limit,
            max_tokens=llm.max_tokens,
            reasoning_effort=llm.reasoning_effort,
            contexts=_contexts(self._visit.plan.providers),
        )

    def _profile(self, provider: str, model: str) -> Profile:
        """Return what a family of models is given; made when the first of it is asked."""
        api = self._visit.plan.providers[provider].api
        assert api is not None  # noqa: S101 - chains of backend api
        family = api.profile_family
        if family not in self._profiles:
            self._profiles[family] = self._made(family, model)
        return self._profiles[family]

    def _made(self, family: str, model: str) -> Profile:
        visit, bench = self._visit, self._bench()
        project = read_instructions(visit.workspace, family)
        if project.cut:
            self._log.add("WARNING", {"code": "instructions", "message": f"cut at 32 KB: {', '.join(project.files)}"})
        if self._git is None:
            self._git = git_snapshot(bench)
        date = self._world.clock.utc().partition("T")[0]
        tools = (*profiles.tools_of(family), self._desk.tool)
        return Profile(
            system=system_prompt(family, model, date, self._git, bench, project),
            definitions=profiles.definitions(tools),
            toolbox=Toolbox(tools, bench, visit.node.hooks),
        )

    def _bench(self) -> Bench:
        visit = self._visit
        return Bench(
            workspace=visit.workspace.resolve(),
            shell=self._world.shell,
            cancellation=self._world.cancellation,
            environment=visit.environment,
            command_default_ms=visit.node.timeouts.command_default_ms,
            command_max_ms=visit.node.timeouts.command_max_ms,
            outputs=visit.folder / "outputs",
            on_output=self._output,
        )

    def _show(self, line: str) -> None:
        self._output("stdout", f"{line}\n".encode(errors="replace"))

    def _tell_start(self, talk: Conversation, kept: Record, memory: Memory) -> None:
        model = self._work.llm.chain[talk.place]
        facts: dict[str, Json] = {
            "provider": model.provider,
            "model": model.model,
            "mode": self._work.mode,
            "backend": "api",
            "workspace": str(self._visit.workspace),
            "fidelity": self._visit.fidelity,
            "earlier_messages": len(kept.messages),
        }
        self._log.add("SESSION_START", facts)
        if memory.warning:
            self._log.add("WARNING", {"code": "thread", "message": memory.warning})

    def _report(self, talk: Conversation | None, ended: Ended) -> Report:
        self._output.flush()
        outcome, visit = ended.outcome, self._visit
        failovers = talk.place if talk else 0
        used = self._work.llm.chain[failovers]
        self._log.add("SESSION_END", {"state": outcome.word if outcome else "ended"})
        write_text(visit.folder / "response.md", ended.text.rstrip("\n") + "\n")
        write_provider_used(
            visit.folder,
            provider=used.provider,
            model=used.model,
            mode=self._work.mode,
            backend="api",
            failovers=failovers,
            attempts=attempts_json(talk.attempts) if talk else (),
        )
        facts = {"last_response": ended.text} if ended.text else {}
        usage = talk.usage if talk else NO_USAGE
        return Report(outcome, facts=facts, usage=usage, output_tail=ended.text[-TAIL_CHARS:])


def _contexts(providers: Mapping[str, Provider]) -> dict[tuple[str, str], int]:
    return {(key, model): tokens for key, provider in providers.items() for model, tokens in provider.contexts.items()}
