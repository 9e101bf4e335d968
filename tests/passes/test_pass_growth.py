"""Shapes on which a careless pass takes quadratic time; the bound is a hundred times what they need."""

import time
from collections.abc import Callable

import pytest

from attractor.compiler.analysis import Analysis
from attractor.compiler.graph import Graph

Resolve = Callable[..., Graph]
SIZE = 6_000


def chain(size: int) -> str:
    return "\n".join(f"n{at} -> n{at + 1}" for at in range(size))


SHAPES = {
    "a long fall to a diamond": chain(SIZE) + f"\nn{SIZE} [shape=diamond]",
    "all lead back": chain(SIZE) + "\n" + "\n".join(f"n{at} -> n1" for at in range(2, SIZE)),
    "a cycle of diamonds": "node [shape=diamond]\n" + chain(SIZE) + f"\nn{SIZE} -> n0 s [shape=box] s -> n0",
    "components that nothing joins": "".join(
        f"p{at} [shape=component] p{at} -> a{at} -> p{at + 1} p{at} -> b{at} -> p{at + 1}\n"
        for at in range(SIZE // 3)
    ) + "j [shape=tripleoctagon] " + f"p{SIZE // 3} -> j",
    "one component with many branches": "p [shape=component] j [shape=tripleoctagon] j -> n0\n"
    + "".join(f"p -> b{at} -> j\n" for at in range(SIZE // 2)) + chain(SIZE // 2) + f"\np -> n0 n{SIZE // 2} -> j",
    "many style rules": 'model_stylesheet="' + "* { llm_model: a; }\n" * SIZE + '"\n'
    + "\n".join(f"n{at} [class=c{at}]" for at in range(SIZE)),
    "many words at one diamond": "n [shape=diamond] s -> n\n"
    + "\n".join(f'n -> m{at} [condition="outcome=w{at}"]' for at in range(SIZE)),
    "many edges out of one node": "\n".join(f'n -> m{at} [label="l{at}"]' for at in range(SIZE)),
    "many options of one gate": "n [shape=hexagon]\n"
    + "\n".join(f'n -> m{at} [label="Approve {at}"]' for at in range(SIZE)),
}  # fmt: skip


@pytest.mark.flaky(reruns=3)
@pytest.mark.parametrize("body", SHAPES.values(), ids=SHAPES.keys())
def test_no_shape_makes_the_passes_slow(resolve: Resolve, body: str) -> None:
    begun = time.perf_counter()
    analysis = Analysis(resolve("n0 [shape=Mdiamond]\n" + body))

    assert analysis.reachable_with_retries
    assert analysis.components is not None
    assert analysis.dominators is not None
    assert analysis.domains
    assert time.perf_counter() - begun < 15
