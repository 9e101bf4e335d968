"""Where values came from, in the form in which the plan holds it."""

import os.path

from .graph import Origin
from .plan import Provenance, ProvenanceEntry
from .source import Source

BUILT_IN = "built-in"  # not entered: a value without an entry is the built-in one


class Recorder:
    """Collects provenance for one plan; files are named relative to `folder`, so that no machine shows through."""

    def __init__(self, folder: str) -> None:
        self.entries: Provenance = {}
        self._folder = folder
        self._paths: dict[int, str] = {}

    def note(self, subject: str, field: str, origin: Origin) -> None:
        """Enter that `field` of `subject` (a node id, "a -> b#N", "" for the run) has its value from `origin`."""
        if origin.source != BUILT_IN:
            self.entries.setdefault(subject, {})[field] = self._entry(origin)

    def path_of(self, source: Source) -> str:
        path = self._paths.get(id(source))
        if path is None:
            path = self._paths[id(source)] = relative_path(source.path, self._folder)
        return path

    def _entry(self, origin: Origin) -> ProvenanceEntry:
        if origin.span is None:
            return (origin.source, "", 0, 0, origin.note)
        line, column = origin.span.position
        return (origin.source, self.path_of(origin.span.source), line, column, origin.note)


def relative_path(path: str, folder: str) -> str:
    """Return `path` as seen from `folder`, with forward slashes."""
    return os.path.relpath(path, folder or ".").replace(os.sep, "/")
