"""Rules about what LLM stages are asked."""

import re
from collections.abc import Iterator

from ..attributes import read_str, specs
from ..diagnostics import Diagnostic, Edit, Fix, Related, Severity
from ..graph import Kind, Prompt
from ..passes.expand_prompts import AT_RUN_TIME, known_values
from ..suggest import did_you_mean
from .facts import kind_of, word
from .registry import Check, Project, Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "prompt_on_llm_nodes",
        Severity.WARNING,
        "an LLM stage has no prompt",
        "The model gets the label, or even only the node's id, as its task.",
        spec=True,
    ),
    Rule(
        "prompt_file_conflict",
        Severity.ERROR,
        "a node has both prompt and prompt_file",
        "Only one of them can be what the stage is asked.",
    ),
    Rule(
        "unresolved_file_ref",
        Severity.ERROR,
        "a prompt is nothing but a reference to a file, `@file`",
        "The reference is not followed: the model would be asked the name of the file.",
        fix="unsafe",
    ),
    Rule(
        "goal_present",
        Severity.INFO,
        "the pipeline has no goal",
        "A prompt with `$goal` then has a hole in it, and the finding is a warning. "
        "Without such a prompt only reports and logs lack it.",
    ),
    Rule(
        "prompt_unknown_variable",
        Severity.WARNING,
        "a prompt names a variable that nothing fills in",
        "The model reads the name, dollar sign and all. Known are `$goal`, `$base_sha`, the inputs of run.yaml, "
        "and the environment that stages get. In a graph that is checked alone it is only mentioned.",
    ),
)

_GOAL = r"(?<!\\)\$goal(?![A-Za-z0-9_])|\{\{-?\s*+goal(?![A-Za-z0-9_])"
_FILE_REF = r"\s*+@(?P<path>[^\s@]*[./][^\s@]*)\s*+"
_VARIABLE = r"\$(?<![\\$A-Za-z0-9_]\$)(?:\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*+)\}|(?P<name>[A-Za-z_][A-Za-z0-9_]*+))"


def check_prompts(project: Project) -> Iterator[Diagnostic]:
    """prompt_on_llm_nodes, prompt_file_conflict, unresolved_file_ref."""
    graph = project.graph
    for node in graph.nodes.values():
        prompt, file = node.attributes.get("prompt"), node.attributes.get("prompt_file")
        has_prompt, has_file = bool(prompt and prompt.text.strip()), bool(file and file.text.strip())
        if prompt is not None and file is not None and has_prompt and has_file:
            yield Diagnostic(
                "prompt_file_conflict",
                file.value_span,
                f'"{node.id}" has a prompt as well as a prompt_file; keep one',
                subject=node.id,
                related=(Related(prompt.key_span, "the prompt"),),
            )
        reference = re.fullmatch(_FILE_REF, prompt.text) if prompt is not None and "@" in prompt.text[:8] else None
        if prompt is not None and reference is not None:
            yield Diagnostic(
                "unresolved_file_ref",
                prompt.value.span(),
                f'"{node.id}" would be asked "{prompt.text.strip()}", as references are not followed; '
                f'write prompt_file="{reference["path"]}"',
                subject=node.id,
                fix=Fix(
                    "make it a prompt_file",
                    (Edit(prompt.key_span, "prompt_file"), Edit(prompt.value_span, f'"{reference["path"]}"')),
                    safe=False,
                ),
            )
        if not has_prompt and not has_file and node.declared and kind_of(graph, node.id) is Kind.CODERGEN:
            label = word(node.attributes, "label")
            shown = label if label is None or len(label) <= 60 else f"{label[:59]}…"
            asked = f'its label, "{shown}"' if shown else f'its id, "{node.id}"'
            yield Diagnostic(
                "prompt_on_llm_nodes",
                node.span,
                f'"{node.id}" has no prompt; the model would be asked only {asked}',
                subject=node.id,
                help='give it prompt="..." or prompt_file="...", or the shape of what it is meant to be',
            )


def check_goal(project: Project) -> Iterator[Diagnostic]:
    """goal_present."""
    graph, config = project.graph, project.config
    if read_str(graph.attributes, specs("graph")["goal"]) or (config is not None and config.goal):
        return
    for node, prompt in graph.prompts.items():
        used = re.search(_GOAL, prompt.written.text) if "goal" in prompt.written.text else None
        if used is not None:
            yield Diagnostic(
                "goal_present",
                prompt.written.span(used.start(), used.end()),
                f'the prompt of "{node}" uses the goal, but the graph has none; write goal="..." in graph [..]',
                Severity.WARNING,
                subject="goal",
            )
            return
    name = f'"{graph.name}"' if graph.name else "the graph"
    message = f'{name} has no goal; write goal="..." in graph [..]'
    yield Diagnostic("goal_present", graph.name_span, message, subject="goal")


def check_variables(project: Project) -> Iterator[Diagnostic]:
    """prompt_unknown_variable."""
    known = {*known_values(project.graph, project.config), *AT_RUN_TIME}
    for node, prompt in project.graph.prompts.items():
        if prompt.engine == "plain" and "$" in prompt.written.text:
            yield from _unknown(project, node, prompt, known)


def _unknown(project: Project, node: str, prompt: Prompt, known: set[str]) -> Iterator[Diagnostic]:
    reported = set()
    for match in re.finditer(_VARIABLE, prompt.written.text):
        name = match["braced"] or match["name"]
        if name in known and match["name"]:
            continue
        if name in reported or name.isupper():  # an environment variable, by custom
            continue
        reported.add(name)
        if name in known:
            hint = f"braces are not read; write ${name}"
        else:
            hint = did_you_mean(name, known, 1).replace('"', '"$', 1) or "known are " + ", ".join(
                f"${each}" for each in sorted(known)
            )
        yield Diagnostic(
            "prompt_unknown_variable",
            prompt.written.span(match.start(), match.end()),
            f'the prompt of "{node}" names {match[0]}, which nothing fills in; {hint}',
            None if project.config is not None else Severity.INFO,
            subject=node,
            help="" if project.config is not None else "unless run.yaml has an input of that name",
        )


CHECKS: tuple[Check, ...] = (check_prompts, check_goal, check_variables)
