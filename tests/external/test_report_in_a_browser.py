"""report.html in a real browser: it loads nothing else, fits a narrow window, and is drawn in light and dark."""

import io
import os
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from attractor.cli.main import main

BROWSER = os.environ.get("ATTRACTOR_CHROMIUM", "") or shutil.which("chromium") or shutil.which("chromium-browser") or ""
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--force-device-scale-factor=1",
)  # fmt: skip
GRAPH = """digraph p {
  start [shape=Mdiamond]
  exit [shape=Msquare]
  a [shape=parallelogram, tool_command="echo fine"]
  b [shape=parallelogram, tool_command="echo '<img src=x onerror=\\"document.title=1\\">' >&2; exit 1"]
  start -> a -> b
  b -> exit [condition="outcome=success"]
}
"""
pytestmark = [pytest.mark.external, pytest.mark.skipif(not BROWSER, reason="needs chromium (apt install chromium)")]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "p.dot").write_text(GRAPH)
    (tmp_path / "run.yaml").write_text("version: 1\ngraph: p.dot\nworkspace: {mode: directory}\n")
    said = io.StringIO()
    assert 1 == main(["run", str(tmp_path / "run.yaml"), "--run-dir", str(tmp_path / "run")], said, said)
    assert 0 == main(["report", str(tmp_path / "run")], said, said)
    return tmp_path / "run" / "report.html"


def browsed(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    return subprocess.run(
        [BROWSER, *FLAGS, profile, *arguments], capture_output=True, text=True, timeout=120, check=True
    )


def test_the_browser_shows_the_page_and_runs_nothing_in_it(page: Path, tmp_path: Path) -> None:
    shown = browsed(tmp_path, "--enable-logging=stderr", "--dump-dom", page.as_uri())

    assert "<title>p: fail</title>" in shown.stdout
    assert "&lt;img src=x onerror=" in shown.stdout
    assert "<svg" in shown.stdout
    assert "CONSOLE" not in shown.stderr  # nothing was refused, nothing failed to load


@pytest.mark.parametrize(("dark", "least", "most"), [(False, 200, 255), (True, 0, 60)], ids=["light", "dark"])
def test_the_page_is_drawn_in_light_and_dark(page: Path, tmp_path: Path, dark: bool, least: int, most: int) -> None:
    picture = tmp_path / "page.png"
    theme = ["--force-dark-mode"] if dark else []
    browsed(tmp_path, *theme, "--window-size=1000,900", f"--screenshot={picture}", page.as_uri())

    corner, shades = pixels(picture.read_bytes())

    assert least <= corner <= most
    assert shades > 20  # text, tiles, bars and the drawing, not an empty page


def test_the_page_can_be_printed(page: Path, tmp_path: Path) -> None:
    paper = tmp_path / "page.pdf"
    browsed(tmp_path, f"--print-to-pdf={paper}", page.as_uri())

    assert paper.read_bytes().startswith(b"%PDF")
    assert paper.stat().st_size > 10_000


def pixels(png: bytes) -> tuple[int, int]:
    """Return the brightness of the first pixel, and how many different bytes of colour there are."""
    data, at, channels = b"", 8, 3
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            channels = {2: 3, 6: 4}[body[9]]
        elif kind == b"IDAT":
            data += body
        at += 12 + length
    raw = zlib.decompress(data)
    return sum(raw[1:4]) // 3, len(set(raw[: 200_000 * channels]))
