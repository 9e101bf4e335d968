"""A pipeline as a picture: kinds by shape and colour, conditions on the edges, restarts dashed."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .explain import condition_text
from .graph import Graph, Kind, Route

WRAP = 28  # characters of a line of a label
TITLE_WRAP = 80
MAX_LINES = 4


class Look(NamedTuple):
    shape: str
    fill: str
    border: str


# Light fills under dark text, so that the picture can be read in grey as well; the shapes are those of the language.
LOOKS: Mapping[str, Look] = {
    Kind.START: Look("Mdiamond", "#d9f2d9", "#2e7d32"),
    Kind.EXIT: Look("Msquare", "#d9f2d9", "#2e7d32"),
    Kind.CODERGEN: Look("box", "#dbe9fb", "#1f5fa8"),
    Kind.TOOL: Look("parallelogram", "#eceff1", "#546e7a"),
    Kind.CONDITIONAL: Look("diamond", "#fff4cc", "#b28704"),
    Kind.HUMAN: Look("hexagon", "#fde0ec", "#ad1457"),
    Kind.PARALLEL: Look("component", "#eadcf8", "#6a3fa0"),
    Kind.FAN_IN: Look("tripleoctagon", "#eadcf8", "#6a3fa0"),
    Kind.MANAGER: Look("house", "#ffe3cc", "#c15a00"),
}
# How a run left a node: fill and border; the shape stays the kind's.
STATES: Mapping[str, tuple[str, str]] = {
    "success": ("#c8e6c9", "#2e7d32"),
    "partial_success": ("#e6eec4", "#827717"),
    "fail": ("#f8c9c9", "#b71c1c"),
    "retry": ("#ffe0b2", "#e65100"),
    "skipped": ("#eceff1", "#90a4ae"),
    "running": ("#bbdefb", "#0d47a1"),
}
_UNVISITED = ("#ffffff", "#b0bec5")
_FAILED_EXIT = Look("Msquare", "#fbdcdc", "#b71c1c")
_FAIL, _PLAIN = "#b71c1c", "#455a64"
_FAILURES = {("outcome", "=", "fail"), ("outcome", "!=", "success")}


class Spot(NamedTuple):
    """A node to be drawn."""

    id: str
    kind: str
    title: str
    note: str  # small, under the title: the model, or that it is a gate
    fails: bool  # an exit that reports failure
    gate: bool


class State(NamedTuple):
    """How a run left a node: the outcome's word, or "running"; a word of the pipeline's own looks like success."""

    word: str
    visits: int


class Arrow(NamedTuple):
    source: str
    target: str
    text: str
    kind: str
    restarts: bool
    of_failure: bool


class Picture(NamedTuple):
    name: str
    title: str
    spots: tuple[Spot, ...]
    arrows: tuple[Arrow, ...]


def picture_of_plan(plan: Mapping[str, Any]) -> Picture:
    spots = tuple(
        Spot(
            id=node["id"],
            kind=node["kind"],
            title=node["label"] or node["id"],
            note=_model_of(node),
            fails=node.get("exit_status") == "fail",
            gate=node["goal_gate"],
        )
        for node in plan["nodes"]
    )
    arrows = tuple(
        _arrow(node["id"], edge["to"], edge["kind"], edge["when"], edge["label"], edge["restart"] is not None)
        for node in plan["nodes"]
        for edge in node["edges"]
    )
    return Picture(plan["name"], plan["label"], spots, arrows)


def _model_of(node: Mapping[str, Any]) -> str:
    llm = node.get("llm")
    return "" if llm is None else str(llm["chain"][0]["model"])


def picture_of_graph(graph: Graph) -> Picture:
    """Return the picture of a graph that went through the passes, also of one with errors."""
    label = graph.attributes.get("label")
    return Picture(
        name=graph.name,
        title="" if label is None else label.text,
        spots=tuple(_spots(graph)),
        arrows=tuple(
            _route_arrow(id_, route) for id_, routes in graph.routes.items() for route in routes if id_ in graph.nodes
        ),
    )


def _spots(graph: Graph) -> Iterator[Spot]:
    for id_, node in graph.nodes.items():
        text = {key: attribute.text for key, attribute in node.attributes.items()}
        settings, kind = graph.llm.get(id_), graph.kinds.get(id_)
        yield Spot(
            id=id_,
            kind=Kind.CODERGEN if kind is None else kind.value,
            title=text.get("label") or id_,
            note="" if settings is None else settings.model.value,
            fails=text.get("exit_status") == "fail",
            gate=text.get("goal_gate") == "true",
        )


def _route_arrow(source: str, route: Route) -> Arrow:
    when = [clause[:3] for clause in route.edge.condition]
    return _arrow(source, route.edge.target, route.kind, when, route.label, route.restart is not None)


def _arrow(source: str, target: str, kind: str, when: Any, label: str, restarts: bool) -> Arrow:
    lines = [label] if label and label != condition_text(when) else []
    lines += [f"{condition_text([clause])} &&" for clause in when[:-1]] + [condition_text(when[-1:])] if when else []
    lines += ["else"] if kind == "else" else []
    of_failure = any((key, op, literal) in _FAILURES for key, op, literal in when)
    return Arrow(source, target, "\n".join(lines), kind, restarts, of_failure)


def dot_of(picture: Picture, states: Mapping[str, State] | None = None) -> Any:
    """Return `picture` as a `pydot.Dot`: `to_string()` is its text, `create(format=..)` asks Graphviz.

    With `states` colours say how a run left each node; a node without a state was never reached.
    """
    import pydot

    title = "\n".join(textwrap.wrap(picture.title, TITLE_WRAP))
    graph = pydot.Dot(
        quoted(picture.name), graph_type="digraph", rankdir="TB", nodesep="0.35", ranksep="0.45",
        fontname="Helvetica", fontsize="16", labelloc="t", bgcolor="white", label=quoted(title),
    )  # fmt: skip
    for spot in picture.spots:
        style = _spot_style(spot) if states is None else _state_style(spot, states.get(spot.id))
        graph.add_node(pydot.Node(quoted(spot.id), **style))
    for arrow in picture.arrows:
        graph.add_edge(pydot.Edge(quoted(arrow.source), quoted(arrow.target), **_arrow_style(arrow)))
    return graph


def _spot_style(spot: Spot) -> dict[str, Any]:
    look = _FAILED_EXIT if spot.fails else LOOKS[spot.kind]
    title = "\n".join(_wrapped(spot.title))
    small = [spot.note] if spot.note else []
    small += ["goal gate"] if spot.gate else []
    return {
        "label": quoted("\n".join([title, *small])),
        "shape": look.shape,
        "style": quoted("filled,bold" if spot.gate else "filled"),
        "fillcolor": quoted(look.fill),
        "color": quoted(look.border),
        "fontname": "Helvetica",
        "fontsize": "11",
        "margin": quoted("0.14,0.07"),
    }


def _state_style(spot: Spot, state: State | None) -> dict[str, Any]:
    fill, border = _UNVISITED if state is None else STATES.get(state.word, STATES["success"])
    notes = [spot.note] if spot.note else []
    if state is not None:
        notes.append(state.word if state.visits == 1 else f"{state.word}, {state.visits} visits")
    style = _spot_style(spot._replace(note="\n".join(notes)))
    return style | {"fillcolor": quoted(fill), "color": quoted(border)}


def _wrapped(text: str) -> list[str]:
    lines = [part for line in text.splitlines() for part in _folded(line)] or [""]
    return lines if len(lines) <= MAX_LINES else [*lines[: MAX_LINES - 1], f"{lines[MAX_LINES - 1]} …"]


def _folded(line: str) -> list[str]:
    return textwrap.wrap(line, WRAP, break_long_words=False, break_on_hyphens=False)


def _arrow_style(arrow: Arrow) -> dict[str, Any]:
    colour = _FAIL if arrow.of_failure else _PLAIN
    style: dict[str, Any] = {
        "color": quoted(colour),
        "fontcolor": quoted(colour),
        "fontname": "Helvetica",
        "fontsize": "9",
    }
    if arrow.text or arrow.restarts:
        lines = [part for line in arrow.text.splitlines() for part in _folded(line)]
        lines += ["restart"] if arrow.restarts else []
        style["label"] = quoted("\n".join(f" {line} " for line in lines))  # blanks: clear of the arrow
    if arrow.restarts:
        style |= {"style": "dashed", "constraint": "false"}
    return style


def quoted(text: str) -> str:
    """Return `text` as a quoted Graphviz string that shows it letter for letter, lines centred."""
    escaped = text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"').replace("\r", "")
    return '"' + escaped.replace("\n", "\\n") + '"'
