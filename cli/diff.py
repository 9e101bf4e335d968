"""Compare two plans by meaning: what would run differently, node by node,
whatever the text looked like.

examples:
  attractor diff before.plan.json after.plan.json
  attractor diff before.plan.json after.plan.json --format json

exit codes: 0 they mean the same; 1 they differ; 2 one of them is no plan
"""

import argparse
import json
from typing import TextIO

from attractor.compiler.diff import as_json, compare, lines

from .main import ExitCode
from .plan_file import add_allow_edited, open_plan


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD", help="a plan.json")
    parser.add_argument("new", metavar="NEW", help="another")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    add_allow_edited(parser)


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    old = open_plan(arguments.old, "diff", stderr, allow_edited=arguments.allow_edited)
    new = open_plan(arguments.new, "diff", stderr, allow_edited=arguments.allow_edited)
    if old is None or new is None:
        return ExitCode.USAGE
    difference = compare(old, new)
    if arguments.format == "json":
        stdout.write(json.dumps({"version": 1, **as_json(difference)}, indent=2) + "\n")
    else:
        stdout.write("".join(f"{line}\n" for line in lines(difference)))
    return ExitCode.OK if difference.is_empty else ExitCode.FINDINGS
