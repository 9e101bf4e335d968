"""plan.json -> `Plan`. Refuses what it does not know, each time with one sentence that says what to do."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .plan import (
    Api,
    Backoff,
    Clause,
    CodergenWork,
    Edge,
    EdgeKind,
    ExitWork,
    FanInWork,
    Hole,
    Hooks,
    HumanWork,
    Kind,
    Limits,
    Llm,
    LlmBackoff,
    ManagerWork,
    Model,
    Node,
    ParallelWork,
    Plan,
    Policy,
    Preflight,
    Price,
    Probe,
    Prompt,
    Provider,
    Restart,
    Setup,
    SourceFile,
    Timeouts,
    ToolWork,
    Work,
    WorkspaceSettings,
)
from .schema import complaint

PLAN_VERSION = 1


class PlanError(Exception):
    """The plan cannot be run; the text says why and what to do."""


def read_plan(text: bytes, name: str, *, allow_edited: bool = False) -> Plan:
    """Return the plan in `text`; `name` is what messages call it.

    Raises:
        PlanError: not JSON, of another version, not what the schema says, or edited since it was compiled.
    """
    document = _parse(text, name)
    _check_version(document, name)
    wrong = complaint("plan", document)
    if wrong:
        raise PlanError(f"{name} is not a valid plan: {wrong}; compile it again with `attractor compile`")
    if not allow_edited and document["digest"] != digest(document):
        raise PlanError(
            f"{name} was changed since it was compiled (its digest does not match); "
            f"compile it again with `attractor compile`, or run it as it is with --allow-edited"
        )
    return plan_of(document)


def _parse(text: bytes, name: str) -> dict[str, Any]:
    try:
        document = json.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise PlanError(f"{name} is not a plan: byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        if name.endswith((".yaml", ".yml")):
            raise PlanError(f"{name} is not a plan; `attractor run {name}` compiles it and runs the plan") from None
        cut = "the file ends too early" if not error.doc[error.pos :].strip() else error.msg.lower()
        where = f"line {error.lineno}, column {error.colno}"
        raise PlanError(f"{name} is not a plan: {where}: {cut}; compile it again with `attractor compile`") from None
    except (RecursionError, ValueError) as error:
        raise PlanError(f"{name} is not a plan: {error}") from None
    if not isinstance(document, dict):
        raise PlanError(f"{name} is not a plan: it holds no JSON object; `attractor compile run.yaml` writes plans")
    return document


def _check_version(document: Mapping[str, Any], name: str) -> None:
    version = document.get("plan_version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise PlanError(f"{name} is not a plan: it has no plan_version; `attractor compile run.yaml` writes plans")
    if version > PLAN_VERSION:
        raise PlanError(
            f"{name} has plan_version {version}, this attractor knows {PLAN_VERSION}; "
            f"update with `pip install --upgrade attractor`, or compile the plan with this one: `attractor compile`"
        )
    if version < PLAN_VERSION:
        raise PlanError(
            f"{name} has plan_version {version}, which is no longer supported (this attractor runs {PLAN_VERSION}); "
            f"compile it again with `attractor compile`"
        )


def digest(document: Mapping[str, Any]) -> str:
    """Return the digest over the canonical JSON of everything but the digest itself."""
    rest = {key: value for key, value in document.items() if key != "digest"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def stale_sources(plan: Plan, folder: Path) -> Sequence[str]:
    """Return a message per source that changed since the plan was compiled, or could not be looked at.

    Args:
        folder: where the plan lies; sources are named relative to run.yaml's folder, which is usually the same.
    """
    messages, missing = [], []
    for source in plan.sources:
        try:
            found = hashlib.sha256((folder / source.path).read_bytes()).hexdigest()
        except OSError:
            missing.append(source.path)
            continue
        if found != source.sha256:
            messages.append(f"plan is stale: {source.path} changed since it was compiled")
    if missing:
        messages.append(f"could not check whether the plan is fresh: {', '.join(missing)} not found beside it")
    return messages


def plan_of(document: Mapping[str, Any]) -> Plan:
    """Return the values of a document that the schema accepted."""
    _check_references(document)
    return Plan(
        digest=document["digest"],
        compiler=document["compiler"],
        name=document["name"],
        label=document["label"],
        goal=document["goal"],
        inputs=document["inputs"],
        sources=tuple(SourceFile(**source) for source in document["sources"]),
        start=document["start"],
        exits=tuple(document["exits"]),
        workspace=_workspace(document["workspace"]),
        setup=Setup(tuple(document["setup"]["commands"]), document["setup"]["timeout_ms"]),
        limits=Limits(**document["limits"]),
        policy=_policy(document["policy"]),
        env_pass=tuple(document["env"]["pass"]),
        human_mode=document["human"]["mode"],
        providers={name: _provider(raw) for name, raw in document["providers"].items()},
        preflight=_preflight(document["preflight"]),
        context=document["context"],
        nodes={raw["id"]: _node(raw) for raw in document["nodes"]},
    )


def _check_references(document: Mapping[str, Any]) -> None:
    """Refuse a plan that names nodes it does not hold: only an edited one can."""
    ids = [node["id"] for node in document["nodes"]]
    known = set(ids)
    if len(known) < len(ids):
        twice = next(node_id for index, node_id in enumerate(ids) if node_id in ids[:index])
        raise PlanError(f"the plan holds node {twice!r} twice; compile it again with `attractor compile`")
    named = [("start", document["start"]), *(("exits", exit_id) for exit_id in document["exits"])]
    for node in document["nodes"]:
        named += [(node["id"], edge["to"]) for edge in node["edges"]]
        named += [(node["id"], target) for target in (*node["on_fail"], node["catch"], node.get("join")) if target]
    for place, target in named:
        if target not in known:
            raise PlanError(
                f"the plan's {place!r} leads to {target!r}, which is not one of its nodes; "
                f"compile it again with `attractor compile`"
            )


def _workspace(raw: Mapping[str, Any]) -> WorkspaceSettings:
    return WorkspaceSettings(**{**raw, "checkpoint_exclude": tuple(raw["checkpoint_exclude"])})


def _policy(raw: Mapping[str, Any]) -> Policy:
    changed = {"llm_backoff": LlmBackoff(**raw["llm_backoff"]), "persist_keys": tuple(raw["persist_keys"])}
    return Policy(**{**raw, **changed})


def _provider(raw: Mapping[str, Any]) -> Provider:
    prices = {model: Price(**price) for model, price in raw["prices"].items()}
    return Provider(**{**raw, "api": raw["api"] and Api(**raw["api"]), "prices": prices})


def _preflight(raw: Mapping[str, Any]) -> Preflight:
    changed = {
        "env": tuple(raw["env"]),
        "executables": tuple(raw["executables"]),
        "probes": tuple(Probe(**probe) for probe in raw["probes"]),
    }
    return Preflight(**{**raw, **changed})


def _node(raw: Mapping[str, Any]) -> Node:
    kind = Kind(raw["kind"])
    return Node(
        id=raw["id"],
        kind=kind,
        label=raw["label"],
        attempts=raw["attempts"],
        backoff=Backoff(**raw["backoff"]),
        timeouts=Timeouts(**raw["timeouts"]),
        max_visits=raw["max_visits"],
        goal_gate=raw["goal_gate"],
        allow_partial=raw["allow_partial"],
        auto_status=raw["auto_status"],
        on_fail=tuple(raw["on_fail"]),
        catch=raw["catch"],
        outcomes=tuple(raw["outcomes"]),
        fidelity=raw["fidelity"],
        thread=raw["thread"],
        hooks=Hooks(**raw["hooks"]),
        edges=tuple(_edge(edge) for edge in raw["edges"]),
        work=_work(kind, raw),
    )


def _edge(raw: Mapping[str, Any]) -> Edge:
    return Edge(
        to=raw["to"],
        kind=EdgeKind(raw["kind"]),
        when=_clauses(raw["when"]),
        label=raw["label"],
        match=raw["match"],
        weight=raw["weight"],
        restart=raw["restart"] and Restart(**raw["restart"]),
        fidelity=raw["fidelity"],
        thread=raw["thread"],
        accelerator=raw["accelerator"],
    )


def _work(kind: Kind, raw: Mapping[str, Any]) -> Work | None:
    match kind:
        case Kind.START | Kind.CONDITIONAL:
            return None
        case Kind.EXIT:
            return ExitWork(raw["exit_status"])
        case Kind.TOOL:
            return ToolWork(raw["command"], tuple(raw["outputs"]))
        case Kind.CODERGEN:
            return CodergenWork(raw["mode"], _prompt(raw["prompt"]), _llm(raw["llm"]), tuple(raw["outputs"]))
        case Kind.HUMAN:
            return HumanWork(_prompt(raw["prompt"]), raw["default_choice"], raw["timeout_ms"])
        case Kind.PARALLEL:
            return ParallelWork(
                raw["join"],
                raw["join_policy"],
                raw["error_policy"],
                raw["max_parallel"],
                raw["k"],
                raw["quorum_fraction"],
            )
        case Kind.FAN_IN:
            prompt, llm = raw["prompt"], raw["llm"]
            return FanInWork(raw["merge"], prompt and _prompt(prompt), llm and _llm(llm))
        case Kind.MANAGER:
            return ManagerWork(
                child=raw["child"],
                autostart=raw["autostart"],
                poll_interval_ms=raw["poll_interval_ms"],
                max_cycles=raw["max_cycles"],
                stop_condition=_clauses(raw["stop_condition"]),
                actions=tuple(raw["actions"]),
                workdir=raw["workdir"],
                prompt=_prompt(raw["prompt"]),
                llm=raw["llm"] and _llm(raw["llm"]),
            )


def _clauses(raw: Sequence[Sequence[str]]) -> tuple[Clause, ...]:
    return tuple(Clause(*clause) for clause in raw)


def _prompt(raw: Mapping[str, Any]) -> Prompt:
    return Prompt(raw["text"], raw["engine"], tuple(Hole(**hole) for hole in raw["holes"]))


def _llm(raw: Mapping[str, Any]) -> Llm:
    chain = tuple(Model(**model) for model in raw["chain"])
    return Llm(chain, raw["reasoning_effort"], raw["max_tokens"], raw["max_agent_turns"])
