"""Read a scenario file, of `--simulate` or of the provider simulator, and say at which line it is wrong."""

import os
from collections.abc import Mapping
from typing import TextIO

from attractor.compiler.diagnostics import Severity, sorted_unique
from attractor.compiler.reading import Archive, Unreadable
from attractor.compiler.reporters.text import render_text, wants_colour
from attractor.compiler.scenario import read_scenario
from attractor.runtime.scripted import Scenario

from .disk import Disk


def read_scenario_file(path: str, stderr: TextIO) -> Scenario | None:
    """Return the scenario at `path`; None when it is none, and `stderr` says why."""
    document = read_document(path, "scenario", stderr)
    return Scenario(document) if document is not None else None


def read_document(path: str, schema: str, stderr: TextIO) -> Mapping[str, object] | None:
    """Return what stands at `path` if `schemas/SCHEMA.schema.json` accepts it; else None, and `stderr` says why."""
    try:
        source = Archive(Disk()).source(path)
    except Unreadable as error:
        stderr.write(f"attractor: {error}\n")
        return None
    document, found = read_scenario(source, schema)
    if document is not None and document.keys() & {"graph", "llm"}:
        stderr.write(
            f"attractor: {path} is a run.yaml, not a scenario; `attractor schema {schema}` is the format of one\n"
        )
        return None
    if found:
        errors = [each._replace(severity=each.severity or Severity.ERROR) for each in found]
        stderr.write(render_text(sorted_unique(errors), colour=wants_colour(stderr, os.environ)))
    return document if not found else None
