"""One kind of node per file; `STEPS` says which kinds have work to do, `simulated` gives them a scenario instead."""

from collections.abc import Mapping

from ..plan import Kind
from ..scripted import Scenario
from ..world import World
from . import codergen, human, scripted, tool
from .contract import NOT_PLAYED, Report, Step, Visit
from .manager import steers

STEPS: Mapping[Kind, Step] = {
    Kind.CODERGEN: codergen.run,
    Kind.TOOL: tool.run,
    Kind.HUMAN: human.run,
}


def simulated(scenario: Scenario) -> Mapping[Kind, Step]:
    """Return the steps under `--simulate`: what the scenario names is played, and so is every LLM stage."""

    def agent(visit: Visit, world: World) -> Report:
        turn = scenario.turn(visit.node.id, visit.overall, visit.attempt)
        return scripted.play_agent(visit, world, turn, "simulated")

    def command(visit: Visit, world: World) -> Report:
        if visit.node.id not in scenario:
            return tool.run(visit, world)
        return scripted.play_tool(visit, world, scenario.turn(visit.node.id, visit.overall, visit.attempt))

    def gate(visit: Visit, world: World) -> Report:
        if visit.node.id not in scenario:
            return human.run(visit, world)
        return scripted.play_gate(visit, world, scenario.turn(visit.node.id, visit.overall, visit.attempt))

    def manager(visit: Visit, world: World) -> Report:
        if visit.node.id not in scenario or steers(visit.node):  # then its turns are those of the model that steers
            return NOT_PLAYED
        return scripted.play_manager(visit, world, scenario.turn(visit.node.id, visit.overall, visit.attempt))

    return {Kind.CODERGEN: agent, Kind.TOOL: command, Kind.HUMAN: gate, Kind.MANAGER: manager}
