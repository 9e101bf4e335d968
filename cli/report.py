"""Make a page about a run: report.html, which needs nothing else, and report.md.
Without --output they lie in the run directory.

--validation writes one more page, to be kept with a project: the checks of
`attractor audit`, what happened on the way, and what such a run does not show.

examples:
  attractor report latest
  attractor report RUN --output build/report
  attractor report RUN --validation docs/validation.md

exit codes: 0 written; 2 there is no such run, or the files cannot be written
"""

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import TextIO

from attractor.runtime.audit.checks import audit
from attractor.runtime.report.facts import facts_of
from attractor.runtime.report.render import html, markdown, validation
from attractor.runtime.run_files import RunFiles

from .main import ExitCode
from .run_place import add_run, open_run

MOST_DRAWN = 1_500  # nodes; Graphviz takes minutes for more
DRAWING_S = 30.0


def configure(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("-o", "--output", metavar="DIR", help="where to put them; default: RUN")
    parser.add_argument("--validation", metavar="FILE", help="write the page of checks and residual risks, too")


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    found = open_run(arguments.run, "report", stderr)
    if found is None:
        return ExitCode.USAGE
    now = datetime.now(UTC)
    facts = facts_of(found, now)
    folder = Path(arguments.output) if arguments.output else found.folder
    pages = {
        folder / "report.html": html(facts, _picture(found, facts.states), now),
        folder / "report.md": markdown(facts, now),
    }
    if arguments.validation:
        digest = str((found.manifest() or {}).get("digest", ""))
        pages[Path(arguments.validation)] = validation(facts, audit(found.folder), digest)
    place = folder
    try:
        for path, text in pages.items():
            place = path.parent
            place.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", errors="replace")
            stdout.write(f"{path}\n")
    except OSError as error:
        stderr.write(f"attractor report: cannot write to {str(place)!r}: {(error.strerror or str(error)).lower()}\n")
        return ExitCode.USAGE
    return ExitCode.OK


def _picture(found: RunFiles, states: Mapping[str, tuple[str, int]]) -> str:
    """Return the drawing of the run's graph as an SVG element; "" where it cannot be drawn."""
    from attractor.compiler.draw import State, dot_of, picture_of_plan

    from .graphviz import drawn
    from .plan_file import open_plan

    plan = open_plan(str(found.folder / "plan.json"), "report", StringIO(), allow_edited=True)
    if plan is None or len(plan["nodes"]) > MOST_DRAWN:
        return ""
    shown = {node: State(word, visits) for node, (word, visits) in states.items()}
    picture = drawn(dot_of(picture_of_plan(plan), shown).to_string(), "svg", DRAWING_S)
    if isinstance(picture, str):
        return ""
    text = picture.decode("utf-8", "replace")
    return text[text.find("<svg") :]
