"""Draw a plan, or a pipeline that need not be free of errors yet.

The end of OUTPUT says the form: .svg, .png, .pdf or .dot. Without --output the
drawing goes to stdout as text in the DOT language. Everything but .dot needs
Graphviz.

examples:
  attractor graph -o pipeline.svg              the run.yaml of this folder
  attractor graph g.plan.json --run DIR -o g.png   coloured by how a run went

exit codes: 0 drawn; 1 it cannot be read as a graph; 2 asked wrongly, or no
Graphviz
"""

import argparse
import json
import os
from collections.abc import Collection, Mapping
from typing import Any, TextIO

from attractor.compiler.draw import Picture, State, dot_of, picture_of_graph, picture_of_plan

from .compile import add_inputs, check, report, requests_for
from .disk import Disk, save, write_bytes
from .main import ExitCode
from .plan_file import add_allow_edited, open_plan
from .run_file import NoRunFile, run_file

FORMATS = ("svg", "png", "pdf", "dot")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", metavar="FILE",
                        help="a plan.json, a run.yaml or a .dot file; default: the run.yaml here")  # fmt: skip
    parser.add_argument("-o", "--output", metavar="OUTPUT", default="-", help="default: DOT to stdout")
    parser.add_argument("--run", metavar="DIR", help="colour the nodes as the run in this run directory left them")
    add_inputs(parser)
    add_allow_edited(parser)


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    try:
        arguments.file = run_file(arguments.file)
    except NoRunFile as error:
        stderr.write(f"attractor graph: {error}\n")
        return ExitCode.USAGE
    form = "dot" if arguments.output == "-" else arguments.output.rpartition(".")[2].lower()
    if form not in FORMATS:
        stderr.write(
            f"attractor graph: cannot tell the form of {arguments.output!r}; end it in .{', .'.join(FORMATS)}\n"
        )
        return ExitCode.USAGE
    found = _picture(arguments, stdout, stderr)
    if isinstance(found, int):
        return found
    picture, sources = found
    states: Mapping[str, State] | None = None
    if arguments.run is not None:
        try:
            states = _states(arguments.run)
        except (OSError, ValueError, KeyError) as error:
            words = error.strerror if isinstance(error, OSError) else "its progress.ndjson cannot be read"
            stderr.write(f"attractor graph: {arguments.run!r} is no run directory: {words}\n")
            return ExitCode.USAGE
    content = _drawn(dot_of(picture, states), form, stderr)
    if content is None:
        return ExitCode.USAGE
    if arguments.output == "-":
        write_bytes(stdout, content)
        return ExitCode.OK
    problem = save(arguments.output, content, sources)
    if problem:
        stderr.write(f"attractor graph: {problem}\n")
        return ExitCode.USAGE
    return ExitCode.OK


def _picture(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> tuple[Picture, Collection[str]] | int:
    """Return what to draw and the files it was read from, or the exit code when there is nothing."""
    if arguments.file.endswith(".json") and os.path.basename(arguments.file) != "run.json":
        plan = open_plan(arguments.file, "graph", stderr, allow_edited=arguments.allow_edited)
        return ExitCode.USAGE if plan is None else (picture_of_plan(plan), [arguments.file])
    files = Disk()
    checked = check(requests_for([arguments.file], arguments.graph, arguments.overrides, files)[0], files)
    unit = checked.compilation.unit
    broken = any(found.rule.startswith("dot_") and found.severity == "error" for found in checked.diagnostics)
    if unit is None or broken:
        return report([checked], "text", stdout, stderr, quiet=True) or ExitCode.FINDINGS
    errors = sum(1 for found in checked.diagnostics if found.severity == "error")
    if errors:
        what = "one error" if errors == 1 else f"{errors} errors"
        stderr.write(f"attractor graph: drawn with {what}; `attractor compile --check {arguments.file}` shows them\n")
    return picture_of_graph(unit.graph), checked.compilation.archive.contents


def _states(folder: str) -> dict[str, State]:
    """Return how the run in `folder` left each node it visited. Raises OSError, ValueError or KeyError."""
    states: dict[str, State] = {}
    with open(os.path.join(folder, "progress.ndjson"), encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                break  # the run is writing it now, or was killed there
            event = json.loads(line)
            if event["event"] == "stage_started":
                before = states.get(event["node_id"])
                states[event["node_id"]] = State("running", 1 if before is None else before.visits + 1)
            elif event["event"] == "stage_finished":
                states[event["node_id"]] = states[event["node_id"]]._replace(word=event["status"])
    return states


def _drawn(graph: Any, form: str, stderr: TextIO) -> bytes | None:
    if form == "dot":
        return str(graph.to_string()).encode()
    from .graphviz import drawn

    picture = drawn(graph.to_string(), form)
    if isinstance(picture, str):
        stderr.write(f"attractor graph: {picture}\n")
        return None
    return picture
