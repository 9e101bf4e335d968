"""`attractor explain`: every effective value with the place it came from."""

import io
import json
from pathlib import Path

import pytest

from attractor.cli.main import main

GOLDEN = Path(__file__).parents[1] / "golden"
MODELS = str(GOLDEN / "models-and-timeouts" / "plan.json")
KINDS = str(GOLDEN / "every-kind" / "plan.json")
RESTARTS = str(GOLDEN / "restarts-and-gates" / "plan.json")


def _explain(*arguments: str) -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    code = main(["explain", *arguments], stdout, stderr)
    return code, stdout.getvalue().strip(), stderr.getvalue().strip()


@pytest.mark.parametrize(
    ("plan", "node", "field", "line"),
    [
        (MODELS, "review", "command_max_ms",
         "command_max_ms = 1800000 ← graph attribute max_command_timeout_ms, pipelines/graph.dot:4:5 (node: unset)"),
        (MODELS, "implement", "timeouts.command_default_ms",
         "command_default_ms = 120000 ← node attribute default_command_timeout_ms, pipelines/graph.dot:17:67"),
        (MODELS, "review", "command_default_ms",
         "command_default_ms = 90000"
         " ← run.yaml runtime_policy.default_command_timeout_ms, run.yaml:16:45 (node: unset)"),
        (MODELS, "offline", "stage_ms", "stage_ms = 1200000 ← node default timeout, pipelines/graph.dot:13:9"),
        (MODELS, "implement", "model", 'model = "kimi-k2.5" ← stylesheet llm_model, pipelines/graph.dot:9:35'),
        (MODELS, "implement", "llm_model", 'model = "kimi-k2.5" ← stylesheet llm_model, pipelines/graph.dot:9:35'),
        (MODELS, "implement", "attempts", "attempts = 1 ← node attribute max_retries, pipelines/graph.dot:17:52"),
        (MODELS, "implement", "chain",
         'chain = [{"model": "kimi-k2.5", "provider": "kimi"}, {"model": "glm-4.7", "provider": "zai"}]'
         " ← run.yaml llm.providers.kimi.failover, run.yaml:7:7"),
        (KINDS, "build", "max_visits",
         "max_visits = 7 ← graph attribute max_node_visits, graph.dot:2:69 (node: unset)"),
        (KINDS, "write", "max_tokens", "max_tokens = null ← built-in default (node: unset)"),
        (KINDS, "ask", "human.timeout", "timeout_ms = 600000 ← node attribute human.timeout, graph.dot:8:71"),
        (RESTARTS, "implement", "catch", 'catch = "check" ← worked out by the compiler'),
        (RESTARTS, "implement", "hooks.pre",
         'hooks.pre = "./allow.sh" ← graph attribute tool_hooks.pre, graph.dot:5:81 (node: unset)'),
    ],
    ids=lambda value: value if "=" not in value and "/" not in value else "",
)  # fmt: skip
def test_a_field_is_one_line_with_its_origin(plan: str, node: str, field: str, line: str) -> None:
    assert (0, line, "") == _explain(plan, node, field)


def test_an_override_from_the_command_line_is_named(tmp_path: Path) -> None:
    run = GOLDEN / "models-and-timeouts" / "run.yaml"
    url = "llm.providers.kimi.api.base_url=http://127.0.0.1:8080"
    main(["compile", str(run), "-q", "-o", str(tmp_path / "p.json"), "--set", url], io.StringIO(), io.StringIO())
    code, line, _ = _explain(str(tmp_path / "p.json"), "providers.kimi.api.base_url")

    assert 0 == code
    assert f'providers.kimi.api.base_url = "http://127.0.0.1:8080" ← command line --set {url}' == line


def test_a_node_is_explained_field_by_field_and_edge_by_edge() -> None:
    plan = json.loads(Path(KINDS).read_text("utf-8"))
    (node,) = [node for node in plan["nodes"] if node["id"] == "built"]
    code, text, _ = _explain(KINDS, "built")
    lines = text.splitlines()

    assert 0 == code
    assert "built (conditional)" == lines[0]
    assert [
        "  edge 1: -> failed (if, outcome=fail && context.failure_class!=transient_infra, label \"broken\", weight 2)"
        " ← graph.dot:18:3",
        "  edge 2: -> build (if, outcome=fail, restarts on transient_infra) ← graph.dot:19:3",
        "  edge 3: -> write (if, outcome=success) ← graph.dot:17:3",
    ] == lines[-3:]  # fmt: skip
    for field in set(node) - {"edges", "backoff", "timeouts", "hooks"}:
        assert any(line.startswith(f"  {field} = ") for line in lines), field


def test_an_edge_is_explained() -> None:
    code, text, _ = _explain(KINDS, "ask -> write")

    assert 0 == code
    assert 'ask -> write#3 (then, label "No - again")' == text.splitlines()[0]
    assert '  thread = "notes" ← edge attribute thread_id, graph.dot:23:52' in text.splitlines()


def test_a_group_of_fields_of_the_run_is_explained_line_by_line() -> None:
    code, text, _ = _explain(KINDS, "workspace")

    assert 0 == code
    assert ["workspace.repo", "workspace.mode"] == [line.split()[0] for line in text.splitlines()[:2]]
    assert all(line.lstrip().startswith("workspace.") for line in text.splitlines())


def test_every_node_and_edge_of_every_golden_plan_can_be_explained() -> None:
    for path in sorted(GOLDEN.glob("*/plan.json")):
        plan = json.loads(path.read_text("utf-8"))
        assert 0 == _explain(str(path))[0]
        for node in plan["nodes"]:
            assert 0 == _explain(str(path), node["id"])[0]
            for edge in node["edges"]:
                assert 0 == _explain(str(path), f"{node['id']} -> {edge['to']}")[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["implment"], 'there is no node or field "implment"; did you mean "implement"?'),
        (["review", "promt"], 'review has no field "promt"; did you mean "prompt"?'),
        (["limits.max_cost"], 'there is no node or field "limits.max_cost"; did you mean "limits.max_cost_usd"?'),
        (["review -> ofline"], 'there is no edge "review -> ofline"; did you mean "review -> offline"?'),
        (["review -> offline", "wieght"], 'review -> offline#1 has no field "wieght"; did you mean "weight"?'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_unknown_name_gets_the_near_one(arguments: list[str], message: str) -> None:
    assert (2, "", f"attractor explain: {message}") == _explain(MODELS, *arguments)
