"""apply_stylesheet, resolve_models, resolve_failover, plan_probes: whom each node asks, and what that needs."""

from collections.abc import Callable

import pytest

from attractor.compiler.graph import Graph, Model, Preflight, Probe

Resolve = Callable[..., Graph]

DEFAULTS = """
llm:
  defaults: {provider: kimi, model: kimi-k2.5}
  providers:
    kimi: {backend: api, failover: []}
    zai: {backend: api, failover: []}
    local:
      backend: api
      failover: []
      models: [qwen3, glm-4.7]
      default_model: qwen3
      api: {protocol: openai_chat_completions, base_url: "http://127.0.0.1:11434", api_key_env: ""}
"""
ASKED = {
    "run.yaml's defaults": ("n", "kimi", "run.yaml", "kimi-k2.5", "run.yaml"),
    "the node's own": ("n [llm_provider=zai, llm_model=glm-4.6]", "zai", "node", "glm-4.6", "node"),
    "a provider alone: its own default model": ("n [llm_provider=local]", "local", "node", "qwen3", "run.yaml"),
    "the catalogue's default model": ("n [llm_provider=zai]", "zai", "node", "glm-4.7", "catalogue"),
    "an alias": ("n [llm_provider=moonshot]", "kimi", "node", "kimi-k2.5", "run.yaml"),
    "a model alone: the one provider that has it": ("n [llm_model=glm-4.6]", "zai", "catalogue", "glm-4.6", "node"),
    "a model that run.yaml lists": ("n [llm_model=qwen3]", "local", "catalogue", "qwen3", "node"),
    "a model that two have: the default": ('n [llm_model="glm-4.7"]', "kimi", "run.yaml", "glm-4.7", "node"),
    "a model that nobody knows: the default": ("n [llm_model=mystery]", "kimi", "run.yaml", "mystery", "node"),
    "an undeclared provider stays": ("n [llm_provider=openai, llm_model=x]", "openai", "node", "x", "node"),
    "by its other name": ("n [model=qwen3, llm_provider=local]", "local", "node", "qwen3", "node"),
    "a node default": ("node [llm_provider=zai] n", "zai", "node default", "glm-4.7", "catalogue"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "provider", "provider_origin", "model", "model_origin"), ASKED.values(), ids=ASKED.keys()
)
def test_provider_and_model(
    resolve: Resolve, body: str, provider: str, provider_origin: str, model: str, model_origin: str
) -> None:
    llm = resolve(body, DEFAULTS).llm["n"]

    assert (provider, provider_origin, model, model_origin) == (
        llm.provider.value,
        llm.provider.origin.source,
        llm.model.value,
        llm.model.origin.source,
    )
    assert (Model(provider, model),) == llm.chain


def test_what_cannot_be_known_is_empty(resolve: Resolve) -> None:
    llm = resolve("n", "").llm["n"]

    assert ("", "", ()) == (llm.provider.value, llm.model.value, llm.chain)


def test_a_graph_alone_knows_what_it_says(resolve: Resolve) -> None:
    llm = resolve("n [llm_model=glm-4.7, max_agent_turns=9, reasoning_effort=high, max_tokens=100]").llm["n"]

    assert (Model("zai", "glm-4.7"),) == llm.chain
    assert (9, "high", 100, "agent_loop") == (
        llm.max_agent_turns.value,
        llm.reasoning_effort.value,
        llm.max_tokens.value,
        llm.mode.value,
    )


ASKING = {
    "an agent": ("n", True),
    "a tool": ("n [shape=parallelogram]", False),
    "a gate": ("n [shape=hexagon]", False),
    "a join": ("n [shape=tripleoctagon]", False),
    "a join that chooses": ('n [shape=tripleoctagon, prompt="Which?"]', True),
    "a manager": ("n [shape=house]", False),
    "a manager that steers": ('n [shape=house, manager.actions="observe,steer"]', True),
}


@pytest.mark.parametrize(("body", "asks"), ASKING.values(), ids=ASKING.keys())
def test_who_asks_a_model(resolve: Resolve, body: str, asks: bool) -> None:
    assert asks is ("n" in resolve(body).llm)


STYLE = """
model_stylesheet="
    * { llm_provider: kimi; llm_model: a; }
    box { llm_model: b; }
    .fast { llm_model: c; }
    .slow { llm_model: d; reasoning_effort: high; }
    #n { max_tokens: 7; }
    #special { llm_model: e; }
"
"""
STYLED = {
    "a shape over the star": ("n", "b"),
    "a class over the shape": ("n [class=fast]", "c"),
    "the later of two classes": ('n [class="slow,fast"]', "d"),
    "the node over the stylesheet": ("n [class=fast, llm_model=z]", "z"),
    "the stylesheet over a node default": ("node [llm_model=z] n", "b"),
    "an id over all selectors": ("special [class=slow]", "e"),
    "an empty value of its own unsets": ('n [class=fast, llm_model=""]', "kimi-k2.5"),
}


@pytest.mark.parametrize(("body", "model"), STYLED.values(), ids=STYLED.keys())
def test_the_stylesheet_cascades(resolve: Resolve, body: str, model: str) -> None:
    llm = resolve(STYLE + body, "").llm

    assert [model] == [settings.model.value for settings in llm.values()]


def test_a_styled_value_points_at_its_declaration(resolve: Resolve) -> None:
    graph = resolve(STYLE + "n [class=slow]")
    effort = graph.llm["n"].reasoning_effort

    assert ("high", "stylesheet") == (effort.value, effort.origin.source)
    assert effort.origin.span is not None
    assert "reasoning_effort" == effort.origin.span.text
    assert 7 == graph.llm["n"].max_tokens.value


def test_the_class_of_a_subgraph_is_styled(resolve: Resolve) -> None:
    graph = resolve(STYLE + 'subgraph x { label="Fast"; n }')

    assert "c" == graph.llm["n"].model.value


def failover(providers: str) -> str:
    return "llm:\n  defaults: {provider: kimi, model: kimi-k2.5}\n  providers:\n" + providers


CHAINS = {
    "omitted: built-in, cut down to what is declared": (
        "    kimi: {backend: api}\n    zai: {backend: api}",
        [("kimi", "kimi-k2.5"), ("zai", "glm-4.7")],
        "built-in",
    ),
    "omitted, and nothing declared": ("    kimi: {backend: api}", [("kimi", "kimi-k2.5")], "built-in"),
    "null is omitted": (
        "    kimi: {backend: api, failover: null}\n    zai: {backend: api}",
        [("kimi", "kimi-k2.5"), ("zai", "glm-4.7")],
        "built-in",
    ),
    "empty: none": (
        "    kimi: {backend: api, failover: []}\n    zai: {backend: api}",
        [("kimi", "kimi-k2.5")],
        "run.yaml",
    ),
    "listed, in that order": (
        "    kimi: {backend: api, failover: [google, zai]}\n    zai: {backend: api}\n    google: {default_model: g}",
        [("kimi", "kimi-k2.5"), ("google", "g"), ("zai", "glm-4.7")],
        "run.yaml",
    ),
    "a model on the target": (
        "    kimi: {backend: api, failover: [{provider: zai, model: glm-4.6}]}\n    zai: {backend: api}",
        [("kimi", "kimi-k2.5"), ("zai", "glm-4.6")],
        "run.yaml",
    ),
    "the target's own default model": (
        "    kimi: {backend: api, failover: [zai]}\n    zai: {backend: api, default_model: glm-4.5}",
        [("kimi", "kimi-k2.5"), ("zai", "glm-4.5")],
        "run.yaml",
    ),
    "an alias": (
        "    kimi: {backend: api, failover: [z-ai]}\n    zai: {backend: api}",
        [("kimi", "kimi-k2.5"), ("zai", "glm-4.7")],
        "run.yaml",
    ),
    "not transitive": (
        "    kimi: {backend: api, failover: [zai]}\n    zai: {failover: [google]}\n    google: {backend: api}",
        [("kimi", "kimi-k2.5"), ("zai", "glm-4.7")],
        "run.yaml",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("providers", "chain", "origin"), CHAINS.values(), ids=CHAINS.keys())
def test_a_chain_is_finished_at_compile_time(
    resolve: Resolve, providers: str, chain: list[tuple[str, str]], origin: str
) -> None:
    llm = resolve("n", failover(providers)).llm["n"]

    assert chain == list(llm.chain)
    assert origin == llm.chain_origin.source


PREFLIGHT = """
preflight: {prompt_probes: {transports: [complete, stream]}}
llm:
  defaults: {provider: zai, model: glm-4.7}
  providers:
    zai: {backend: api, failover: [kimi]}
    kimi: {backend: api, failover: []}
"""


def test_preflight_tries_each_request_once_in_a_fixed_order(resolve: Resolve) -> None:
    graph = resolve("m [agent_mode=one_shot] n o", PREFLIGHT)

    assert (
        Preflight(
            probes=(
                Probe("kimi", "kimi-k2.5", "agent_loop", "stream", None, True),
                Probe("kimi", "kimi-k2.5", "one_shot", "stream", None, True),
                Probe("zai", "glm-4.7", "agent_loop", "complete", None, True),
                Probe("zai", "glm-4.7", "agent_loop", "stream", None, True),
                Probe("zai", "glm-4.7", "one_shot", "complete", None, True),
                Probe("zai", "glm-4.7", "one_shot", "stream", None, True),
            ),
            env=("KIMI_API_KEY", "ZAI_API_KEY"),
            executables=("bash",),
        )
        == graph.preflight
    )


def test_a_stream_probe_that_run_yaml_does_not_name_may_fail(resolve: Resolve) -> None:
    run = "llm: {defaults: {provider: zai}, providers: {zai: {backend: api, failover: []}}}"
    preflight = resolve("n", run).preflight

    assert preflight is not None
    assert [("complete", True), ("stream", False)] == [(p.transport, p.required) for p in preflight.probes]


NEEDS = {
    "nothing for a graph of tools": ("n [shape=parallelogram]", "", (), ("bash",)),
    "no key for a local provider": (
        "n [llm_provider=local]",
        "llm: {providers: {local: {backend: api, failover: [], default_model: q, api: {protocol: "
        'openai_chat_completions, base_url: "http://127.0.0.1:1", api_key_env: ""}}}}',
        (),
        ("bash",),
    ),
    "a program for a cli provider": (
        "n [llm_provider=anthropic]",
        "llm: {providers: {anthropic: {backend: cli, failover: []}}}",
        (),
        ("claude",),
    ),
    "nothing for a scripted one": (
        "n [llm_provider=demo, llm_model=m]",
        "llm: {providers: {demo: {backend: scripted, failover: []}}}",
        (),
        (),
    ),
    "nothing for providers that no node asks": ("n [shape=diamond]", DEFAULTS, (), ()),
}


@pytest.mark.parametrize(("body", "run", "env", "executables"), NEEDS.values(), ids=NEEDS.keys())
def test_what_a_plan_needs_around_it(
    resolve: Resolve, body: str, run: str, env: tuple[str, ...], executables: tuple[str, ...]
) -> None:
    preflight = resolve(body, run).preflight

    assert preflight is not None
    assert (env, executables) == (preflight.env, preflight.executables)


def test_probes_can_be_switched_off(resolve: Resolve) -> None:
    preflight = resolve("n", f"{DEFAULTS}preflight: {{prompt_probes: {{enabled: false}}}}").preflight

    assert preflight is not None
    assert ((), ("KIMI_API_KEY",)) == (preflight.probes, preflight.env)
