"""Read a scenario file for `--simulate`, and say at which line it is wrong."""

import os
from typing import TextIO

from attractor.compiler.diagnostics import Severity, sorted_unique
from attractor.compiler.reading import Library, Unreadable
from attractor.compiler.reporters.text import render_text, wants_colour
from attractor.compiler.scenario import read_scenario
from attractor.runtime.scripted import Scenario

from .disk import Disk


def read_scenario_file(path: str, stderr: TextIO) -> Scenario | None:
    """Return the scenario at `path`; None when it is none, and `stderr` says why."""
    try:
        source = Library(Disk()).source(path)
    except Unreadable as error:
        stderr.write(f"attractor: {error}\n")
        return None
    document, found = read_scenario(source)
    if found:
        errors = [each._replace(severity=each.severity or Severity.ERROR) for each in found]
        stderr.write(render_text(sorted_unique(errors), colour=wants_colour(stderr, os.environ)))
    return Scenario(document) if document is not None and not found else None
