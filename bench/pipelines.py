"""The pipelines that are measured: stages that ask a model, attributed as real pipelines attribute theirs."""

RUN_YAML = "version: 1\ngraph: g.dot\nllm: {providers: {kimi: {failover: []}}}\n"

_SENTENCES = (
    "Read the plan and implement the next part of it, file by file, as it says. ",
    "Keep the public interface as it is, and write down in notes.md what had to change and why. ",
    "Run the tests of the package after each step; mend what fails before going on. ",
    "Do not touch generated files, and leave no half-finished work behind. ",
)


def prompt_of(number: int, length: int) -> str:
    """Return a prompt of `length` characters; no two are the same."""
    text = "".join(_SENTENCES[(number + at) % len(_SENTENCES)] for at in range(len(_SENTENCES)))
    return (f"Stage {number} of $goal. " + text * (length // len(text) + 1))[:length]


def pipeline(nodes: int, prompt_chars: int) -> str:
    """Return a chain of LLM stages: each with shape, label, class, model, retries, timeout and prompt."""
    stages = "".join(
        f'  n{at} [\n    shape=box,\n    label="Stage {at}",\n    class="{"hard" if at % 4 == 0 else "plain"}",\n'
        f'    llm_model="kimi-k2.5",\n    max_retries={at % 3},\n    timeout="900s",\n'
        f'    prompt="{prompt_of(at, prompt_chars)}"\n  ]\n'
        for at in range(nodes)
    )
    chain = "".join(f"  n{at} -> n{at + 1}\n" for at in range(nodes - 1))
    return (
        f'digraph g {{\n  goal="a goal"\n  start [shape=Mdiamond, label="Start"]\n'
        f'  exit [shape=Msquare, label="Exit"]\n{stages}  start -> n0\n{chain}  n{nodes - 1} -> exit\n}}\n'
    )
