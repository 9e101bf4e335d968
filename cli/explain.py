"""Say where the effective values of a plan came from: at which line of which
file, or by which default.

NODE may also be an edge, "a -> b", or a field of the run, limits.max_restarts.
FIELD is a field of plan.json (timeouts.stage_ms, or short: stage_ms) or an
attribute. Without NODE: the values of the run as a whole, and the nodes.

examples:
  attractor explain pipeline.plan.json
  attractor explain pipeline.plan.json write
  attractor explain pipeline.plan.json write llm_model

exit codes: 0 said; 2 no such plan, node or field
"""

import argparse
from typing import TextIO

from attractor.compiler.explain import UnknownName, explain, explain_run

from .main import ExitCode
from .plan_file import add_allow_edited, open_plan


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", metavar="PLAN", help="a plan.json")
    parser.add_argument("node", nargs="?", metavar="NODE")
    parser.add_argument("field", nargs="?", metavar="FIELD")
    add_allow_edited(parser)


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    plan = open_plan(arguments.plan, "explain", stderr, allow_edited=arguments.allow_edited)
    if plan is None:
        return ExitCode.USAGE
    try:
        found = explain_run(plan) if arguments.node is None else explain(plan, arguments.node, arguments.field)
        stdout.write("".join(f"{line}\n" for line in found))
    except UnknownName as error:
        stderr.write(f"attractor explain: {error}\n")
        return ExitCode.USAGE
    return ExitCode.OK
