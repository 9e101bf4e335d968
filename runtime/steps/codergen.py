"""An LLM stage: an agent session or one call. This build answers it from a scenario only."""

from ..outcome import FailureClass, Outcome
from ..plan import CodergenWork, Plan
from ..scripted import Scenario
from ..world import World
from . import scripted
from .contract import Report, Visit


def run(visit: Visit, world: World) -> Report:
    work = visit.node.work
    assert isinstance(work, CodergenWork)  # noqa: S101 - the plan's reader made it so
    provider = visit.plan.providers[work.llm.chain[0].provider]
    if provider.backend != "scripted":
        return Report(Outcome.failed(unsupported(work.llm.chain[0].provider), FailureClass.STRUCTURAL))
    turn = Scenario(provider.script or {}).turn(visit.node.id, visit.overall, visit.attempt)
    return scripted.play_agent(visit, world, turn, "scripted")


def unsupported_providers(plan: Plan) -> list[str]:
    """Return why the plan's LLM stages cannot run in this build, one sentence per provider; none when they can."""
    asked = {
        node.work.llm.chain[0].provider: None for node in plan.nodes.values() if isinstance(node.work, CodergenWork)
    }
    return [unsupported(key) for key in asked if plan.providers[key].backend != "scripted"]


def unsupported(provider: str) -> str:
    return f"provider {provider!r}: this build runs LLM stages only with `backend: scripted` or under --simulate"
