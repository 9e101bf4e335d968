"""What can be checked on this machine: keys, programs, the toolchains that setup names, chains that cannot work."""

import re
from collections.abc import Iterator, Mapping

from ..environment import child_environment, find_program
from ..plan import Model, Plan, Provider
from ..steps.codergen import unsupported_providers
from .findings import Check, Verdict

_LOOKED_FOR = re.compile(r"\bcommand -v ([\w.+-]++)")
_SEPARATOR = re.compile(r"\|\||&&|[;&|\n]")
_REDIRECTION = re.compile(r"\s*+(?:[12]?>>?|&>|[12]>&)\s*+[\w./&-]++")
_GIVES_UP = re.compile(r"\|\|\s*+(?:\{[^{}]*?)?\b(?:exit\s++[1-9]|false\b)")


def failovers(plan: Plan) -> Iterator[Check]:
    for reason in unsupported_providers(plan):
        subject, _, message = reason.partition(": ")
        yield Check("failover", subject, Verdict.FAIL, message)


def used(plan: Plan) -> list[str]:
    """Return the providers that the plan's nodes may ask, failover targets included."""
    settings = (getattr(node.work, "llm", None) for node in plan.nodes.values())
    return sorted({model.provider for llm in settings if llm is not None for model in llm.chain})


def keys(plan: Plan, environment: Mapping[str, str]) -> Iterator[Check]:
    """Yield a check per provider that needs a key."""
    for name in used(plan):
        provider = plan.providers[name]
        if provider.api is None or provider.api.api_key_env not in plan.preflight.env:
            continue
        variable = provider.api.api_key_env
        wrong = _wrong_with_key(name, provider, environment)
        told = wrong or "is set"
        yield Check("key", variable, Verdict.FAIL if wrong else Verdict.PASS, told, provider=name)


def _wrong_with_key(name: str, provider: Provider, environment: Mapping[str, str]) -> str:
    from ..llm.errors import Configuration  # a run that asks no model does without these
    from ..llm.failover import endpoints
    from ..llm.keys import Keys

    try:
        Keys(environment).check(endpoints([Model(name, "")], {name: provider}))
    except Configuration as error:
        return f"{error.message}; export it before the run, or leave {name} out of run.yaml's providers"
    return ""


def executables(plan: Plan, environment: Mapping[str, str]) -> Iterator[Check]:
    for program in plan.preflight.executables:
        users = [name for name, each in plan.providers.items() if each.backend == "cli" and each.executable == program]
        place = _found(program, environment)
        if place:
            yield Check("executable", program, Verdict.PASS, f"is {place}", provider=", ".join(users))
            continue
        whom = f"provider {', '.join(users)} is answered by it (backend: cli)" if users else "commands are run by it"
        from ..cli_agents.programs import PROGRAMS

        advice = f"get it with: {PROGRAMS[program].install}" if program in PROGRAMS else "install it"
        message = f"there is no {program!r} on the PATH, and {whom}; {advice}, or put its folder on the PATH"
        yield Check("executable", program, Verdict.FAIL, message, provider=", ".join(users))


def toolchains(plan: Plan, environment: Mapping[str, str]) -> Iterator[Check]:
    """Yield a check per program that a setup command looks for; one that setup can do without is only a warning."""
    wanted: dict[str, tuple[int, bool]] = {}
    for number, command in enumerate(plan.setup.commands, start=1):
        for name, needed in looked_for(command):
            wanted[name] = (number, needed or wanted.get(name, (0, False))[1])
    for name, (number, needed) in wanted.items():
        place = _found(name, environment)
        if place:
            yield Check("toolchain", name, Verdict.PASS, f"is {place}")
        elif needed:
            message = f"there is no {name!r} on the PATH, and setup command {number} needs it; install it"
            yield Check("toolchain", name, Verdict.FAIL, message)
        else:
            message = f"there is no {name!r} on the PATH; setup command {number} has to make up for it"
            yield Check("toolchain", name, Verdict.WARN, message)


def looked_for(command: str) -> Iterator[tuple[str, bool]]:
    """Yield the programs that a shell command looks for with `command -v`, and whether it fails without them."""
    for found in _LOOKED_FOR.finditer(command):
        before, rest = command[: found.start()], command[found.end() :]
        while redirection := _REDIRECTION.match(rest):
            rest = rest[redirection.end() :]
        separators = list(_SEPARATOR.finditer(before))
        is_simple = not before[separators[-1].end() if separators else 0 :].strip()  # no `if`, no `!`
        is_second_choice = bool(separators) and separators[-1].group() == "||"
        rest = rest.strip()
        ends = not rest or rest.startswith("&&") or _GIVES_UP.match(rest) is not None
        yield found[1], is_simple and not is_second_choice and ends


def _found(program: str, environment: Mapping[str, str]) -> str:
    """Return the program's path as children will find it; "" when there is none."""
    return find_program(program, child_environment(environment, ())["PATH"])
