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
        if origin.source == BUILT_IN:
            return
        fields = self.entries.get(subject)
        if fields is None:
            fields = self.entries[subject] = {}
        fields[field] = self._entry(origin)

    def path_of(self, source: Source) -> str:
        path = self._paths.get(id(source))
        if path is None:
            path = self._paths[id(source)] = relative_path(source.path, self._folder)
        return path

    def _entry(self, origin: Origin) -> ProvenanceEntry:
        source, span, note = origin
        if span is None:
            return (source, "", 0, 0, note)
        line, column = span.source.position(span.start)
        return (source, self.path_of(span.source), line, column, note)


def relative_path(path: str, folder: str) -> str:
    """Return `path` as seen from `folder`, with forward slashes."""
    return os.path.relpath(path, folder or ".").replace(os.sep, "/")
