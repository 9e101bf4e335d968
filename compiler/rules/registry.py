"""What a rule is. Each subject file lists its `RULES` (what they are called and why) and its `CHECKS` (what finds
them).

A check may serve several rules that share one analysis; a rule that is found while reading (`dot_*`, `run_*`) has no
check here. Rules stand together by subject, not one per file: every module costs a cold start a quarter millisecond.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..analysis import Analysis
from ..diagnostics import Diagnostic, Severity
from ..graph import Graph
from ..reading import Archive, Shell
from ..run_config import RunConfig


class Project(NamedTuple):
    """All that a check may look at. `config` is None when a graph is checked alone."""

    graph: Graph
    config: RunConfig | None
    analysis: Analysis
    archive: Archive | None = None  # the files that were read; None in tests that look at a graph alone
    shell: Shell | None = None  # None: commands cannot be checked (`check_skipped`)


Check = Callable[[Project], Iterator[Diagnostic]]


class Rule(NamedTuple):
    """A rule's identity card; its examples live in `examples/ID/`."""

    id: str
    severity: Severity | None  # in the profile `recommended`; None = off
    summary: str  # what is reported, one line, lower case, no full stop
    why: str  # what goes wrong when it is ignored; one to three sentences
    spec: bool = False  # belongs to the profile `spec`: the public specification's rules, syntax, configuration
    fix: str = ""  # "safe" or "unsafe" when it offers one
    whole: bool = False  # needs all of the graph: silent while syntax errors hide part of it, so that nothing cascades
    config: bool = False  # needs run.yaml: silent when a graph is checked alone
