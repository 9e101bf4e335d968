"""A report's facts as HTML and as Markdown. The templates escape whatever they show."""

from datetime import datetime
from pathlib import Path
from typing import Any

from ..audit.checks import Audit
from ..console import cost, duration, one_line
from .facts import Facts, plain

TEMPLATES = Path(__file__).parent


def html(facts: Facts, picture: str, made_at: datetime) -> str:
    """Return one page that needs nothing else: no network, no script, no file beside it.

    Args:
        picture: an SVG element that was drawn for this run; "" for none.
    """
    from markupsafe import Markup

    return _rendered("report.html.j2", facts, picture=Markup(picture), made_at=made_at)  # noqa: S704 - Graphviz escapes


def markdown(facts: Facts, made_at: datetime) -> str:
    return _rendered("report.md.j2", facts, made_at=made_at)


def validation(facts: Facts, audit: Audit, digest: str) -> str:
    """Return a page to keep: no path of the machine is in it."""
    return _rendered("validation.md.j2", facts, audit=audit, digest=digest)


def _rendered(name: str, facts: Facts, **more: Any) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=name.endswith(".html.j2"),  # Markdown has its own way: `cell` and `fenced`
        undefined=StrictUndefined,
        finalize=_plain,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        duration=duration, cost=cost, one_line=one_line, cell=_cell, fenced=_fenced, clock=_clock, day=_day
    )
    return environment.get_template(name).render(facts=facts, it=facts.standing, **more)


def _plain(value: object) -> object:
    """Keep commands to a terminal out of the page, wherever a stage wrote them."""
    return plain(value) if type(value) is str and not value.isprintable() else value


def _cell(text: object, most: int = 300) -> str:
    """Return text that Markdown shows letter for letter on one line, also in a table."""
    shown = one_line(str(text))
    shown = shown if len(shown) <= most else f"{shown[:most]}…"
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|~" else "&amp;" if c == "&" else c for c in shown)


def _fenced(text: str) -> str:
    """Return a block of code around text that may hold fences itself."""
    longest, at = 2, 0
    for letter in text:
        at = at + 1 if letter == "`" else 0
        longest = max(longest, at)
    fence = "`" * (longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _clock(ts: str) -> str:
    return ts[11:19]


def _day(ts: str) -> str:
    return ts[:19].replace("T", " ")
