"""What is installed is what is in the repository."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
ROOMS = ("cli", "compiler", "runtime", "schemas")


def _tracked(room: str) -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", room],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [Path(name) for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_every_subpackage_is_listed() -> None:
    folders = {
        "attractor." + ".".join(path.parent.parts) for room in ROOMS for path in _tracked(room) if path.suffix == ".py"
    }

    assert sorted(folders) == PROJECT["tool"]["setuptools"]["packages"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, so that nothing is left in the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    for room in ROOMS:
        for path in _tracked(room):
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_bytes((ROOT / path).read_bytes())
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(source)], check=True,
                   capture_output=True)  # fmt: skip
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_file_of_every_room(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("attractor/")}

    assert packed == {f"attractor/{path.as_posix()}" for room in ROOMS for path in _tracked(room)}


def test_the_installed_wheel_compiles_a_pipeline(wheel: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere and put on the path, with nothing of the repository in sight."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    (tmp_path / "g.dot").write_text("digraph g { s [shape=Mdiamond] e [shape=Msquare] s -> e }\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]\n"
        "import attractor.compiler as room; from attractor.cli.main import main\n"
        f"assert {str(tmp_path)!r} in room.__file__, room.__file__\n"
        f"sys.exit(main(['compile', '--check', 'g.dot']))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (0, "") == (result.returncode, result.stdout)


def test_the_console_script_is_the_front_door() -> None:
    assert {"attractor": "attractor.cli.main:main"} == PROJECT["project"]["scripts"]
