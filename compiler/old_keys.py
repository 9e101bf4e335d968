"""Keys of Kilroy's run.yaml: those that have moved are read in their new place, the others ignored; both are said."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .diagnostics import Diagnostic, Edit, Fix, Related
from .source import Source, Span

Spans = dict[str, tuple[Span, Span]]

MOVED: Mapping[str, str] = {  # all to a key of `workspace`
    "/repo/path": "repo",
    "/git/run_branch_prefix": "branch_prefix",
    "/git/commit_per_node": "commit_per_node",
    "/git/require_clean": "require_clean",
    "/git/push_remote": "push_remote",
    "/git/checkpoint_exclude_globs": "checkpoint_exclude",
}

IGNORED: Mapping[str, str] = {
    "/cxdb": "the record of a run is its run directory",
    "/modeldb": "prices are built in; llm.providers.KEY.prices goes before them",
    "/artifact_policy": "use env.pass for variables and workspace.checkpoint_exclude for files",
    "/task": "use goal",
    "/llm/cli_profile": "command line agents are always the real ones; --simulate replaces them",
    "/inputs/materialize": "copy files in setup.commands, or name them in prompts",
}


def ignored_keys(values: dict[str, Any], spans: Spans) -> Iterator[Diagnostic]:
    """Take the ignored keys out of `values`, each with a warning that says what to use instead."""
    for pointer, instead in IGNORED.items():
        *above, key = pointer.strip("/").split("/")
        holder: Any = values
        for part in above:
            holder = holder.get(part) if isinstance(holder, dict) else None
        if not isinstance(holder, dict) or key not in holder:
            continue
        if pointer == "/inputs/materialize" and not isinstance(holder[key], dict | None):
            continue  # an input that happens to have this name
        del holder[key]
        dotted = pointer.strip("/").replace("/", ".")
        yield Diagnostic("run_ignored_key", spans[pointer][0], f'"{dotted}" is ignored', subject=pointer, help=instead)


def moved_keys(values: dict[str, Any], spans: Spans, origins: dict[str, str]) -> Iterator[Diagnostic]:
    """Move the deprecated keys of `values` to `workspace`, with their places and origins, each with a warning.

    One fix rewrites all of them; it hangs on the first warning.
    """
    workspace = values.get("workspace")
    given = dict(workspace) if isinstance(workspace, dict) else {}
    fix = None if "workspace" in values else _fix(values, spans)
    for pointer, name in MOVED.items():
        section, key = pointer.strip("/").split("/")
        if not isinstance(values.get(section), dict) or key not in values[section]:
            continue
        new = f"/workspace/{name}"
        place = spans[pointer][0]
        if name in given:
            related = (Related(spans[new][0], "this one counts"),) if new in spans else ()
            message = f'"{section}.{key}" is the old name of workspace.{name}, which is given too; remove the old one'
            yield Diagnostic("run_deprecated_key", place, message, subject=pointer, related=related)
            continue
        given[name] = values[section][key]
        for old in [known for known in spans if known == pointer or known.startswith(f"{pointer}/")]:
            spans[new + old.removeprefix(pointer)] = spans[old]
            if old in origins:
                origins[new + old.removeprefix(pointer)] = origins[old]
        message = f'"{section}.{key}" is now workspace.{name}'
        yield Diagnostic("run_deprecated_key", place, message, subject=pointer, fix=fix)
        fix = None
    for section in ("repo", "git"):
        values.pop(section, None)
    if given:
        values["workspace"] = given


class _Section(NamedTuple):
    start: int  # of its first line
    end: int  # after its last line
    entries: list[str]  # its lines, with the new keys


def _fix(values: dict[str, Any], spans: Spans) -> Fix | None:
    """Return the edits that write one `workspace:` section in place of `repo:` and `git:`.

    None where the text is not plain enough for it: flow style, comments, or blocks indented in two ways.
    """
    sections: list[_Section] = []
    source = None
    for name in ("repo", "git"):
        if name not in values:
            continue
        source = spans[f"/{name}"][0].source
        section = _section(name, values[name], spans, source)
        if section is None:
            return None
        sections.append(section)
    if source is None:
        return None
    lines = [line for section in sections for line in section.entries]
    if len({len(line) - len(line.lstrip()) for line in lines if not line.lstrip().startswith("- ")}) != 1:
        return None
    sections.sort()
    text = "workspace:\n" + "".join(f"{line}\n" for line in lines)
    edits = [Edit(source.span(sections[0].start, sections[0].end), text)]
    edits += [Edit(source.span(other.start, other.end), "") for other in sections[1:]]
    return Fix("move the keys to workspace", tuple(edits))


def _section(name: str, value: Any, spans: Spans, source: Source) -> _Section | None:
    """Return the lines of a section that is written as a plain block, one line per key or list item."""
    key_span, value_span = spans[f"/{name}"]
    if key_span.source is not source or not isinstance(value, dict) or not value:
        return None
    first, column = key_span.position
    last = source.position(max(value_span.start, value_span.end - 1))[0]
    if column != 1 or source.line_text(first).rstrip() != f"{name}:":
        return None
    new_keys = {key.rpartition("/")[2]: new for key, new in MOVED.items() if key.startswith(f"/{name}/")}
    starts = {}
    for key in value:
        places = spans.get(f"/{name}/{key}")
        if places is None or places[0].source is not source or key not in new_keys:
            return None
        starts[places[0].position[0]] = key
    entries = []
    for number in range(first + 1, last + 1):
        line = source.line_text(number)
        body = line.lstrip(" ")
        indent = line[: len(line) - len(body)]
        if (key := starts.get(number)) is not None:
            if not body.startswith(f"{key}:") or " #" in body or body.rstrip().endswith((":|", ":>", "|", ">")):
                return None
            entries.append(f"{indent}{new_keys[key]}{body[len(key) :]}")
        elif body.startswith("- ") and " #" not in body:
            entries.append(line)
        else:
            return None
    end = source.line_starts[last] if last < len(source.line_starts) else len(source.text)
    return _Section(source.line_starts[first - 1], end, entries)
