"""Imports point down: a module may import only from rooms on lower floors."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "cryptoequity"
FLOORS = [
    {"kernels", "errors", "table"},
    {"estimation"},
    {"data"},
    {"volatility"},
    {"correlation"},
    {"covariance", "regimes"},
    {"diagnostics", "portfolio", "breaks", "dependence"},
    {"claim"},
    {"plots"},
    {"report"},
    {"cli"},
]
FLOOR = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
ONLY = {
    "numba": {"kernels/__init__.py"},
    "matplotlib": {"plots"},
    "arch": {"volatility", "estimation/bootstrap.py"},
}
# the one upward call the house allows: a fit's `.plot()` finds its drawing at call time
PLOT = "estimation/results.py"
FILES = sorted(p for p in SRC.rglob("*.py") if p != SRC / "__init__.py")


def imports(path):
    """Yield (package, room) for everything `path` imports, anywhere in the file."""
    parts = path.relative_to(SRC.parent).parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            up = parts[: len(parts) - node.level] if node.level else ()
            stem = ".".join([*up, *([node.module] if node.module else [])])
            names = [stem] if node.module or not node.level else []
            names += [f"{stem}.{alias.name}" for alias in node.names] if stem == "cryptoequity" else []
        else:
            continue
        for name in names:
            head, _, rest = name.partition(".")
            yield head, rest.split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(SRC).as_posix())
def test_imports_point_down(path):
    where = path.relative_to(SRC).as_posix()
    home = where.split("/")[0].removesuffix(".py")
    for package, room in imports(path):
        if package == "cryptoequity" and room and room != home and not (where == PLOT and room == "plots"):
            assert FLOOR[room] < FLOOR[home], f"{where} (floor {FLOOR[home]}) imports {room}"
        if package in ONLY:
            assert where in ONLY[package] or home in ONLY[package], f"{where} imports {package}"


def test_importing_the_package_is_light():
    import subprocess
    import sys

    heavy = ("numba", "matplotlib", "statsmodels", "arch", "scipy", "pandas")
    code = f"import sys, cryptoequity; print(*[m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == ""
