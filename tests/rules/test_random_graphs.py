"""Laws for any graph: no check breaks, the order of statements does not matter, and fixes leave a graph behind."""

from itertools import product

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attractor.compiler.diagnostics import Diagnostic, Fix
from attractor.compiler.graph import Clause, Edge, Graph
from attractor.compiler.settings import RULES_BY_ID

from .graphs import compiled, lint

SHAPES = (
    "Mdiamond",
    "Msquare",
    "box",
    "hexagon",
    "diamond",
    "component",
    "tripleoctagon",
    "parallelogram",
    "house",
    "x",
)
IDS = ("a", "b", "c", "d", "e", "f", "begin", "done", "exit")
WORDS = ("success", "fail", "retry", "skipped", "partial_success", "port", "succes", "ok")

conditions = st.lists(
    st.one_of(
        st.builds("outcome{}{}".format, st.sampled_from(["=", "!=", "=="]), st.sampled_from(WORDS)),
        st.builds("context.{}{}{}".format, st.sampled_from("xy"), st.sampled_from(["=", "!="]), st.sampled_from("12")),
        st.sampled_from(["context.x", "preferred_label=yes", "x=1"]),
    ),
    min_size=1,
    max_size=3,
).map(" && ".join)
flags = st.sampled_from(["true", "false"])
ids = st.sampled_from((*IDS, "nowhere"))
prompts = st.sampled_from(["Do it", "outcome=port|fail", "$goal $gaol", "@x/y.md", "status.json: {'status': 'ok'}", ""])
node_attributes = st.fixed_dictionaries(
    {},
    optional={
        "shape": st.sampled_from(SHAPES),
        "type": st.sampled_from(["tool", "codergen", "nothing"]),
        "prompt": prompts,
        "goal_gate": flags,
        "auto_status": flags,
        "allow_partial": flags,
        "retry_target": ids,
        "fallback_retry_target": ids,
        "max_visits": st.sampled_from(["0", "3", "many"]),
        "exit_status": st.sampled_from(["success", "fail"]),
        "human.default_choice": ids,
    },
)
edge_attributes = st.fixed_dictionaries(
    {},
    optional={
        "condition": conditions,
        "label": st.sampled_from(["Yes", "[N] No", "later", ""]),
        "weight": st.sampled_from(["0", "1", "2"]),
        "loop_restart": flags,
        "loop_restart_on": st.sampled_from(["any", "transient_infra"]),
    },
)


def _written(attributes: dict[str, str]) -> str:
    listed = ", ".join(f'{key}="{value}"' for key, value in attributes.items())
    return f" [{listed}]" if listed else ""


nodes = st.builds(lambda id_, attributes: id_ + _written(attributes), st.sampled_from(IDS), node_attributes)
edges = st.builds(
    lambda ends, attributes: " -> ".join(ends) + _written(attributes),
    st.lists(st.sampled_from(IDS), min_size=2, max_size=4),
    edge_attributes,
)
graph_attributes = st.sampled_from(
    ["max_node_visits=0", 'retry_target="a"', "loop_restart_on=transient_infra", "rankdir=UP"]
)
statements = st.lists(st.one_of(nodes, edges, edges, graph_attributes), max_size=14)
layouts = st.sampled_from(["\n", ";\n", " ", " ; ", "\n// a -> b\n", " /* [ */ "])

some_time = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _applied(text: str, fix: Fix) -> str:
    for edit in sorted(fix.edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


def _body(found: Diagnostic, fix: Fix) -> str:
    """Return what stands between the braces that `lint` put around a body, with `fix` applied."""
    return _applied(found.span.source.text, fix).removeprefix("digraph g {\n").removesuffix("\n}\n")


@some_time
@given(statements, layouts)
def test_no_check_breaks_and_every_finding_has_a_card(parts: list[str], layout: str) -> None:
    for found in lint(layout.join(parts)):
        assert found.rule in RULES_BY_ID
        assert found.message
        assert 0 <= found.span.start <= found.span.end <= len(found.span.source.text)


@some_time
@given(statements, layouts)
def test_a_fix_leaves_a_graph_that_can_be_read(parts: list[str], layout: str) -> None:
    before = lint(layout.join(parts))
    if any(each.rule.startswith("dot_") for each in before):
        return
    for found in before:
        if found.fix is not None and found.fix.edits[0].span.source.path == "g.dot":
            after = lint(_body(found, found.fix), ends="")
            assert [] == [each.message for each in after if each.rule.startswith("dot_")], found.fix


@some_time
@given(statements, layouts)
def test_a_safe_removal_of_an_edge_changes_no_route(parts: list[str], layout: str) -> None:
    for found in lint(layout.join(parts)):
        if found.rule == "edge_duplicate" and found.fix is not None and found.fix.safe:
            body = _body(found, found.fix)
            assert _ways(compiled(layout.join(parts))) == _ways(compiled(body, ends=""))


@some_time
@given(st.lists(conditions.filter(lambda text: "==" not in text and "label" not in text), min_size=1, max_size=5))
def test_a_gap_is_reported_exactly_where_some_case_matches_no_edge(texts: list[str]) -> None:
    edges = "\n".join(f'work -> done [condition="{text}"]' for text in texts)
    body = f'work [prompt="port, succes; set x and y"]\nbegin -> work\n{edges}\nwork -> done [label="sentinel"]'
    conditions_read = [edge.condition for edge in compiled(body).outgoing["work"] if edge.conditional]
    words = {"success", "partial_success", "skipped"} | {
        clause.literal
        for each in conditions_read
        for clause in each
        if clause.key == "outcome" and clause.literal in {"port", "succes"}
    }
    cases = product(words, ("", "1", "2", "other"), ("", "1", "2", "other"))
    gap = any(not any(_holds(each, *case) for each in conditions_read) for case in cases)

    found = lint(body.removesuffix('\nwork -> done [label="sentinel"]'))

    assert gap == any(each.rule == "routing_not_exhaustive" for each in found)


def _holds(condition: tuple[Clause, ...], outcome: str, x: str, y: str) -> bool:
    held = {"outcome": outcome, "context.x": x, "context.y": y}
    return all(
        held[clause.key] not in {"", "false"}
        if clause.op == "set"
        else (held[clause.key] == clause.literal) == (clause.op == "=")
        for clause in condition
    )


def _ways(graph: Graph) -> object:
    """Return everything that decides what follows what, duplicates once."""
    routes = {
        node: list(
            dict.fromkeys((r.kind, r.edge.target, r.weight, r.match, r.restart, _clauses(r.edge)) for r in every)
        )
        for node, every in graph.routes.items()
    }
    return routes, graph.catches, graph.on_fail, graph.outcomes, graph.joins


def _clauses(edge: Edge) -> frozenset[tuple[str, str, str]]:
    return frozenset((clause.key, clause.op, clause.literal) for clause in edge.condition)
