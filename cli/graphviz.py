"""Ask Graphviz for a drawing."""

import shutil
import subprocess

NO_GRAPHVIZ = (
    "drawing needs Graphviz, and there is no `dot` on the PATH\n"
    "install the package graphviz (apt install graphviz, brew install graphviz), or ask for -o FILE.dot"
)


def drawn(text: str, form: str, timeout_s: float | None = None) -> bytes | str:
    """Return the drawing of a graph in the DOT language, or what stands in the way."""
    if shutil.which("dot") is None:
        return NO_GRAPHVIZ
    command = ["dot", f"-T{form}"]
    try:
        result = subprocess.run(command, input=text.encode(), capture_output=True, check=False, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return f"dot took longer than {timeout_s:g} s"
    if result.returncode != 0:
        return f"dot failed: {result.stderr.decode('utf-8', 'replace').strip()[:500]}"
    return result.stdout
