"""The text a stage's model reads: what went wrong before it, how to report, and the node's own prompt.

Jinja2 is imported only for a prompt that uses it; the compiler has parsed the template, so what can still go wrong is
a name that the run does not have.
"""

from collections.abc import Mapping
from typing import Any

from ..outcome import Dossier, Outcome
from ..plan import CodergenWork, Plan, Prompt
from .contract import Visit
from .fidelity import usual_memory

DOSSIER_CHARS = 4_000
STEERED = "stack.steered"  # key of what a manager has said to its child
MOST_NAMES = 20  # of what a template could have asked for


class PromptError(Exception):
    """The prompt's template could not be rendered; the text says why."""


def stage_prompt(visit: Visit, prompt: Prompt, memory: str | None = None) -> str:
    """Return the whole prompt of an attempt.

    Args:
        memory: what it is told of the stages before it; None: what its fidelity says.

    Raises:
        PromptError: the template asks for something the run does not have.
    """
    work = visit.node.work
    one_shot = isinstance(work, CodergenWork) and work.mode == "one_shot"
    contract = answer_contract(visit) if one_shot else status_contract(visit)
    before = usual_memory(visit) if memory is None else memory
    parts = (before, failure_dossier(visit), steering(visit), contract, render(visit, prompt))
    return "\n\n".join(part for part in parts if part) + "\n"


def steering(visit: Visit) -> str:
    """Return what the manager of this pipeline has said since its last LLM stage."""
    said = visit.context.get(STEERED)
    return f"# From the manager of this pipeline\n\n{said}" if said else ""


def render(visit: Visit, prompt: Prompt) -> str:
    """Return the node's own prompt, its holes filled.

    Raises:
        PromptError: the template asks for something the run does not have.
    """
    text = _fill(prompt, visit.run.base_sha)
    return _render_jinja(text, visit) if prompt.engine == "jinja" else text


def _fill(prompt: Prompt, base_sha: str) -> str:
    parts, end = [], 0
    for hole in sorted(prompt.holes):
        parts += [prompt.text[end : hole.at], base_sha]
        end = hole.at
    return "".join(parts) + prompt.text[end:]


def failure_dossier(visit: Visit) -> str:
    """Return what the stage has to know about the failure it follows; empty after anything else."""
    dossier = visit.dossier
    if dossier is None:
        return ""
    lines = [
        "# What failed before this stage",
        "",
        f"- stage: {dossier.node}, visit {dossier.visit}",
        f"- class: {dossier.failure_class or 'not known'}",
        f"- reason: {dossier.reason or 'none given'}",
        f"- tried so far: {_times(dossier.attempts)} there, and {_times(visit.number - 1)} here",
    ]
    if dossier.output_tail:
        lines += ["", "Its last output:", "", "```", dossier.output_tail[-DOSSIER_CHARS:].strip("\n"), "```"]
    return "\n".join(lines)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times" if number else "never"


def status_contract(visit: Visit) -> str:
    """Return how the stage reports its outcome when it cannot call `report_outcome`."""
    path = visit.environment.get("ATTRACTOR_STATUS_PATH", "")
    words = ", ".join(visit.node.outcomes)
    return (
        "# How to report\n\n"
        f"Work in {visit.workspace} and stay inside it. When done, call the tool `report_outcome`, or write JSON to "
        f'`$ATTRACTOR_STATUS_PATH` ({path}): {{"status": one of {words}, "notes": text, '
        '"failure_reason": text, needed with fail or retry}.'
    )


def answer_contract(visit: Visit) -> str:
    """Return how a stage of one call reports: it has no tool but `report_outcome`, and no files."""
    words = ", ".join(visit.node.outcomes)
    return (
        "# How to report\n\n"
        "Answer with text; that counts as success. To end in another way call the tool `report_outcome`: status is "
        f"one of {words}; failure_reason is needed with fail or retry."
    )


def _render_jinja(text: str, visit: Visit) -> str:
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Missing(StrictUndefined):
        """Says what there would have been; Jinja2 says that a 'dict object' has no such attribute."""

        @property
        def _undefined_message(self) -> str:
            there = self._undefined_obj
            if not isinstance(there, dict):
                return super()._undefined_message
            known = ", ".join(str(key) for key in list(there)[:MOST_NAMES]) or "nothing"
            more = ", …" if len(there) > MOST_NAMES else ""
            return f"there is no {self._undefined_name!r}; there is {known}{more}"

    environment = ImmutableSandboxedEnvironment(undefined=Missing, keep_trailing_newline=True, autoescape=False)
    try:
        return environment.from_string(text).render(template_names(visit))
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:  # the template's own mistakes
        raise PromptError(f"the prompt of {visit.node.id!r} could not be rendered: {error}") from error


def template_names(visit: Visit) -> dict[str, Any]:
    """Return the six names that a template may use."""
    plan: Plan = visit.plan
    return {
        "goal": plan.goal,
        "inputs": dict(plan.inputs),
        "run": {
            "id": visit.run.run_id,
            "name": plan.name,
            "base_sha": visit.run.base_sha,
            "restarts": visit.restarts,
            "workspace": str(visit.workspace),
        },
        "node": {
            "id": visit.node.id,
            "label": visit.node.label,
            "visit": visit.number,
            "attempt": visit.attempt,
            "outcomes": list(visit.node.outcomes),
        },
        "context": nested(visit.context),
        "previous": _previous(visit.previous, visit.previous_node, visit.dossier),
    }


def _previous(outcome: Outcome | None, node_id: str, dossier: Dossier | None) -> dict[str, str]:
    """Return the same keys before the first stage too, empty, so that a template need not ask whether there was one."""
    return {
        "node": node_id,
        "outcome": outcome.word if outcome else "",
        "notes": outcome.notes if outcome else "",
        "failure_reason": outcome.failure_reason if outcome else "",
        "failure_class": str(outcome.failure_class or "") if outcome else "",
        "output": dossier.output_tail if dossier else "",
    }


class _Folder(dict[str, Any]):
    """A step of a dotted path, as opposed to a value that happens to be an object."""


def nested(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flat context with its dotted keys also reachable step by step: `context.tool.output`.

    A key that is both a value and the beginning of others keeps its value.
    """
    tree = _Folder()
    for key in sorted(context):  # a value comes before the keys that begin with it
        *folders, last = key.split(".")
        place = tree
        for folder in folders:
            inner = place.setdefault(folder, _Folder())
            if not isinstance(inner, _Folder):
                break
            place = inner
        else:
            place[last] = context[key]
    return {**tree, **{key: value for key, value in context.items() if "." in key}}
