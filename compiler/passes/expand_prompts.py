"""Set what each stage is asked: its prompt, else the file it names, else its label, with the known variables put in."""

import re
from collections.abc import Mapping

from ..attributes import origin_of, read_str, specs
from ..cascade import graph_value, typed
from ..graph import Graph, Hole, Kind, Level, Node, Origin, Prompt
from ..run_config import RunConfig, Scalar
from ..source import MappedText

AT_RUN_TIME = ("base_sha",)
_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*+)")  # begins with a letter of its own: those are found fast
_HAS_PROMPT = frozenset({Kind.CODERGEN, Kind.HUMAN, Kind.FAN_IN, Kind.MANAGER})


def run(graph: Graph, config: RunConfig | None) -> Graph:
    engine = typed(graph_value(graph, "prompt_engine"), str)
    template = engine is not None and engine.value == "jinja"
    values = known_values(graph, config)
    prompts = {}
    for node in graph.nodes.values():
        kind = graph.kinds.get(node.id)
        if kind is None or kind.value not in _HAS_PROMPT:
            continue
        found = _written(graph, node, needed=kind.value is not Kind.FAN_IN)
        if found is not None:
            written, origin = found
            text, holes = (written.text, ()) if template else expand(written.text, values)
            prompts[node.id] = Prompt(text, "jinja" if template else "plain", holes, written, origin)
    return graph._replace(prompts=prompts)


def known_values(graph: Graph, config: RunConfig | None) -> Mapping[str, str]:
    """Return the variables that a plain prompt may name, but for those that only the run knows, and their values."""
    inputs = {} if config is None else {name: _shown(value) for name, value in config.inputs.items()}
    goal = config.goal if config is not None and config.goal is not None else None
    if goal is None:
        goal = read_str(graph.attributes, specs("graph")["goal"]) or ""
    return {**inputs, "goal": goal}


def expand(text: str, values: Mapping[str, str]) -> tuple[str, tuple[Hole, ...]]:
    """Return `text` with its variables replaced, and the places left for the run; unknown names stay as they are."""
    if "$" not in text:
        return text, ()
    parts: list[str] = []
    holes: list[Hole] = []
    done = length = 0
    for match in _VARIABLE.finditer(text):
        name = match[1]
        if name not in values and name not in AT_RUN_TIME:
            continue
        start = match.start()
        escaped = text[start - 1 : start] == "\\"
        parts.append(text[done : start - escaped])
        length += len(parts[-1])
        if escaped:
            parts.append(match[0])
        elif name in values:
            parts.append(values[name])
        else:
            parts.append("")
            holes.append(Hole(length, name))
        length += len(parts[-1])
        done = match.end()
    parts.append(text[done:])
    return "".join(parts), tuple(holes)


def _shown(value: Scalar) -> str:
    """Return an input as prompts show it: as JSON would, but text without its quotes and null as nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _written(graph: Graph, node: Node, *, needed: bool) -> tuple[MappedText, Origin] | None:
    """Return the prompt as its author wrote it; None when its file could not be read, or none is `needed` and given."""
    attributes = node.attributes
    prompt, file = attributes.get("prompt"), attributes.get("prompt_file")
    if prompt is not None and prompt.text.strip() and (prompt.level is Level.OWN or file is None):
        return prompt.value, origin_of(prompt, "node")
    if file is not None and file.text.strip():
        source = graph.files.get(file.text.strip())
        if source is None:
            return None
        origin = origin_of(file, "node")
        return MappedText(source.text, source, 0), origin._replace(note=f"prompt_file {file.text.strip()}")
    if prompt is not None and prompt.text.strip():
        return prompt.value, origin_of(prompt, "node")
    if not needed:
        return None
    label = attributes.get("label")
    if label is not None and label.text.strip():
        return label.value, origin_of(label, "node")
    return MappedText(node.id, node.span.source, node.span.start), Origin("derived", node.span, "id")
