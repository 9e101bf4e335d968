"""plan.json back into a plan, for the tools that look at plans; one clear reason when it is none."""

import json
from collections.abc import Mapping
from typing import Any, cast

from .emit import InvalidPlan, digest_of, validate
from .plan import PLAN_VERSION, Plan


class UnusablePlan(Exception):
    """The file is no plan that we can use; the message says why and what to do."""


def load_plan(path: str, content: bytes, *, allow_edited: bool = False) -> Plan:
    """Return the plan in `content`, the bytes of the file at `path`.

    Raises:
        UnusablePlan: it is empty, truncated, not JSON, of another version, or edited by hand.
    """
    values = _parsed(path, content)
    version = values.get("plan_version")
    if version != PLAN_VERSION:
        raise UnusablePlan(f"{path!r}: {_wrong_version(version)}")
    try:
        validate(values)
    except InvalidPlan as error:
        raise UnusablePlan(f"{path!r} is not a plan that `attractor compile` wrote: {error}") from None
    if not allow_edited and digest_of(values) != values["digest"]:
        raise UnusablePlan(f"{path!r} was edited: its digest does not match; compile it again, or give --allow-edited")
    return cast(Plan, values)


def _parsed(path: str, content: bytes) -> Mapping[str, Any]:
    if not content.strip():
        raise UnusablePlan(f"{path!r} is empty")
    try:
        values = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UnusablePlan(f"{path!r} is not JSON: byte {error.start} is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        place = f"{error.msg[:1].lower()}{error.msg[1:]} at line {error.lineno}, column {error.colno}"
        raise UnusablePlan(f"{path!r} is not JSON, or was cut off: {place}") from None
    except (ValueError, RecursionError) as error:
        raise UnusablePlan(f"{path!r} is not a plan: {error}") from None
    if not isinstance(values, dict):
        raise UnusablePlan(f"{path!r} is not a plan: it holds no object")
    return values


def _wrong_version(version: object) -> str:
    if isinstance(version, int) and version > PLAN_VERSION:
        return f"plan_version {version} is newer than this attractor knows ({PLAN_VERSION}); update attractor"
    if isinstance(version, int):
        return f"plan_version {version} is older than this attractor reads ({PLAN_VERSION}); compile it again"
    return "it is not a plan: it has no plan_version; `attractor compile run.yaml` writes one"
