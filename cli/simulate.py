"""Look at all paths of a plan without running it: what leads to every edge and
exit, how a run can end, what is never reached.

--witness writes the shortest path to something as a scenario, which
`attractor exec PLAN --simulate=SCENARIO` plays: to a node (NODE), along an edge
("A -> B"), to a success past a failed stage ("past NODE"), or to another end as
the table names it ("failure NODE"). To play one scenario, use `attractor exec`.

examples:
  attractor simulate pipeline.plan.json --all-paths
  attractor simulate pipeline.plan.json --witness "a -> b" -o way.yaml

exit codes: 0 all is reached; 1 a node or an edge is not, or no path ends in
success; 2 asked wrongly, or an invalid plan
"""

import argparse
import json
from collections.abc import Mapping
from typing import TextIO

from attractor.runtime.paths import report
from attractor.runtime.paths.search import MOST_STATES, Searched, search
from attractor.runtime.paths.witness import path_text, scenario_of
from attractor.runtime.plan import Plan
from attractor.runtime.read_plan import PlanError, read_plan

from .disk import Disk, save
from .main import ExitCode

MAX_PLAN_BYTES = 1 << 30


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", metavar="PLAN", help="a plan.json that `attractor compile` wrote")
    parser.add_argument("--allow-edited", action="store_true", help="take a plan whose digest does not match")
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--all-paths", action="store_true", help="show a shortest path to everything")
    asked.add_argument("--witness", metavar="TARGET", help='NODE, "A -> B", "past NODE", "failure NODE"')
    parser.add_argument("-o", "--output", metavar="SCENARIO", default="-", help="of --witness; default: stdout")
    parser.add_argument("--json", action="store_true", help="print JSON: `attractor schema paths` describes it")
    parser.add_argument("--most-states", type=positive, default=MOST_STATES, metavar="N",
                        help=f"how many states to look at; default: {MOST_STATES}")  # fmt: skip


def positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"a number that is at least 1, not {text!r}")
    return int(text)


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    plan = runnable_plan(arguments.plan, "simulate", stderr, allow_edited=arguments.allow_edited)
    if plan is None:
        return ExitCode.USAGE
    searched = search(plan, arguments.most_states)
    if arguments.witness is not None:
        return _write_witness(plan, searched, arguments, stdout, stderr)
    if arguments.json:
        stdout.write(json.dumps(report.as_json(plan, searched), indent=2, ensure_ascii=False) + "\n")
    else:
        stdout.write("".join(f"{line}\n" for line in report.as_text(plan, searched)))
    return _exit_code(plan, searched)


def runnable_plan(path: str, command: str, stderr: TextIO, *, allow_edited: bool) -> Plan | None:
    """Return the plan at `path` as the runtime reads it; None when there is none, and `stderr` says why."""
    try:
        return read_plan(Disk().read(path, MAX_PLAN_BYTES), path, allow_edited=allow_edited)
    except PlanError as error:
        stderr.write(f"attractor {command}: {error}\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        stderr.write(f"attractor {command}: cannot read {path!r}: {reason.lower()}\n")
    return None


def _exit_code(plan: Plan, searched: Searched) -> int:
    sure = not searched.capped and not searched.cut
    missing = report.unreached(plan, searched) or report.untaken(plan, searched)
    return ExitCode.FINDINGS if sure and (missing or not report.exits_well(plan, searched)) else ExitCode.OK


def _write_witness(
    plan: Plan, searched: Searched, arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO
) -> int:
    target = arguments.witness
    trail, why = report.trail_to(plan, searched, target)
    if trail is None:
        stderr.write(f"attractor simulate: {why}{_hint(plan, searched, target)}\n")
        return ExitCode.USAGE if report.unknown_node(plan, target) else ExitCode.FINDINGS
    document = scenario_of(plan, trail, f"The shortest path for {target}: {path_text(trail)}")
    text = _written(document, arguments.output)
    if arguments.output == "-":
        stdout.write(text)
        return ExitCode.OK
    trouble = save(arguments.output, text.encode(), [arguments.plan])
    if trouble:
        stderr.write(f"attractor simulate: {trouble}\n")
    return ExitCode.USAGE if trouble else ExitCode.OK


def _hint(plan: Plan, searched: Searched, target: str) -> str:
    unknown = report.unknown_node(plan, target)
    if unknown:
        from attractor.compiler.suggest import did_you_mean

        hint = did_you_mean(unknown, plan.nodes)
        return f"; {hint}" if hint else ""
    bound = f" within {searched.most} states" if searched.capped or searched.past_capped else ""
    return f"{bound}; `attractor simulate PLAN --all-paths` shows what there is"


def _written(document: Mapping[str, object], output: str) -> str:
    if output.endswith(".json"):
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    import yaml

    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
