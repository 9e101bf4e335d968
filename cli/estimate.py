"""Say how many calls a plan can make to models, at most, and what they can cost:
per node and in total.

It is the worst case that the plan allows, from visits, attempts, turns,
restarts and retries; most runs stay far below. What a request holds cannot be
known before it is made: --input-tokens and --output-tokens say what to take.

examples:
  attractor estimate pipeline.plan.json
  attractor estimate pipeline.plan.json --input-tokens 40000

exit codes: 0 there is a bound on the calls; 1 there is none; 2 asked wrongly,
or an invalid plan
"""

import argparse
import json
from collections.abc import Iterator
from typing import TextIO

from attractor.runtime.estimate import Asked, Estimate, Tokens, estimate
from attractor.runtime.plan import Plan

from .main import ExitCode
from .simulate import positive, runnable_plan

INPUT_TOKENS = 20_000
OUTPUT_TOKENS = 2_000


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", metavar="PLAN", help="a plan.json that `attractor compile` wrote")
    parser.add_argument("--allow-edited", action="store_true", help="take a plan whose digest does not match")
    parser.add_argument("--input-tokens", type=positive, default=INPUT_TOKENS, metavar="N",
                        help=f"of a request; default: {INPUT_TOKENS}")  # fmt: skip
    parser.add_argument("--output-tokens", type=positive, default=OUTPUT_TOKENS, metavar="N",
                        help=f"of an answer, where the node sets no max_tokens; default: {OUTPUT_TOKENS}")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON: `attractor schema estimate` describes it")


def run(arguments: argparse.Namespace, stdout: TextIO, stderr: TextIO) -> int:
    plan = runnable_plan(arguments.plan, "estimate", stderr, allow_edited=arguments.allow_edited)
    if plan is None:
        return ExitCode.USAGE
    tokens = Tokens(arguments.input_tokens, arguments.output_tokens)
    found = estimate(plan, tokens)
    if arguments.json:
        stdout.write(json.dumps(_as_json(plan, found, tokens), indent=2, ensure_ascii=False) + "\n")
    else:
        stdout.write("".join(f"{line}\n" for line in _as_text(plan, found, tokens)))
    return ExitCode.FINDINGS if found.most_calls is None else ExitCode.OK


def _as_json(plan: Plan, found: Estimate, tokens: Tokens) -> dict[str, object]:
    return {
        "version": 1,
        "name": plan.name,
        "digest": plan.digest,
        "assumed": {"input_tokens": tokens.input, "output_tokens": tokens.output},
        "nodes": [{**node._asdict(), "models": list(node.models), "why": list(node.why)} for node in found.nodes],
        "total": {"calls": found.calls, "cost_usd": found.cost_usd},
        "limits": {
            "max_llm_calls": plan.limits.max_llm_calls,
            "max_total_tokens": plan.limits.max_total_tokens,
            "max_cost_usd": plan.limits.max_cost_usd,
        },
        "most": {"calls": found.most_calls, "cost_usd": found.most_cost_usd},
        "why": list(found.why),
    }


def _as_text(plan: Plan, found: Estimate, tokens: Tokens) -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"{plan.name}: at most {_calls(found.most_calls)} model calls, {_cost(found.most_cost_usd)}"
    yield from _limited(plan, found)
    yield f"assumed: {tokens.input:,} tokens in and {tokens.output:,} out per answer, or its node's max_tokens"
    if found.nodes:
        yield ""
        yield from _table(found)
    if found.why:
        yield ""
        yield from (f"- {reason}" for reason in found.why)


def _limited(plan: Plan, found: Estimate) -> Iterator[str]:
    limits = plan.limits
    if limits.max_llm_calls is not None and found.most_calls != found.calls:
        most = f"limits.max_llm_calls={limits.max_llm_calls}"
        yield f"{most} ends the run there; the nodes could make {_calls(found.calls)}"
    if limits.max_cost_usd is not None and found.most_cost_usd == limits.max_cost_usd:
        yield f"limits.max_cost_usd={limits.max_cost_usd:g} ends the run there, after the answer that reaches it"
    if limits.max_total_tokens is not None:
        yield f"limits.max_total_tokens={limits.max_total_tokens} may end the run before"


def _table(found: Estimate) -> Iterator[str]:
    rows = [("node", "visits", "attempts", "turns", "calls", "cost", "models"), *map(_row, found.nodes)]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for row in rows:
        cells = [f"{row[0]:<{widths[0]}}", *(f"{row[i]:>{widths[i]}}" for i in range(1, 6)), row[6]]
        yield "  ".join(cells)


def _row(node: Asked) -> tuple[str, ...]:
    visits = "unbounded" if node.visits is None else f"{node.visits:,}"
    return (
        node.node, visits, f"{node.attempts:,}", f"{node.turns:,}", _calls(node.calls), _cost(node.cost_usd),
        ", ".join(node.models),
    )  # fmt: skip


def _calls(calls: int | None) -> str:
    return "any number of" if calls is None else f"{calls:,}"


def _cost(cost_usd: float | None) -> str:
    return "cost unknown" if cost_usd is None else f"${cost_usd:,.2f}"
