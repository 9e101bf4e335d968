"""What one vendor's agent is to us: how it is started, and what the lines of its stream mean."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..llm.messages import TokenUsage
from ..outcome import Json


class Order(NamedTuple):
    """What a program is started for. The prompt comes on its standard input, so that it may be of any length."""

    executable: str
    provider: str
    model: str
    effort: str | None
    folder: str  # where it works
    tools: bool  # False: it may only answer
    session: str = ""  # of an earlier turn that goes on; "" begins anew


class Session(NamedTuple):
    """The program's own name for the conversation; a later turn can go on with it."""

    id: str


class Said(NamedTuple):
    text: str
    whole: bool = True  # False: a piece, and the next ones belong to it


class Called(NamedTuple):
    call_id: str
    name: str
    arguments: Mapping[str, Json]


class Returned(NamedTuple):
    call_id: str
    output: str
    is_error: bool = False


class Noted(NamedTuple):
    """Something the program tells beside its work, a retry of its own for one."""

    message: str


class Spent(NamedTuple):
    tokens: TokenUsage
    cost_usd: float | None = None  # None: the program does not say
    requests: int | None = None
    of_session: bool = False  # earlier turns of the session are counted in


class Failed(NamedTuple):
    """The program gave up; `status` is the HTTP status it names, 0 when it names none."""

    message: str
    status: int = 0


class Closed(NamedTuple):
    """The turn ended as it should."""


Heard = Session | Said | Called | Returned | Noted | Spent | Failed | Closed


class Program(NamedTuple):
    name: str
    install: str  # how a person gets it
    login: str  # how a person logs in
    command: Callable[[Order], Sequence[str]]
    read: Callable[[Mapping[str, Any]], Iterator[Heard]]


def text_of(content: object) -> str:
    """Return the text of a tool's result: a string, or a list of blocks of which some have text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(str(block.get("text", "")) for block in content if isinstance(block, Mapping))


def number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
