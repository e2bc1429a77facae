"""Write the reference from ``cryptoequity.__all__``: a name made public there appears here by itself."""

from __future__ import annotations

import inspect
from pathlib import Path

import cryptoequity

HEADINGS = {
    "data": "Data",
    "volatility": "Volatility",
    "correlation": "Correlation",
    "covariance": "Covariance",
    "diagnostics": "Diagnostics",
    "portfolio": "Portfolio",
    "regimes": "Regimes",
    "breaks": "Breaks",
    "claim": "The claim",
    "estimation": "Tests and estimates",
    "plots": "Plots",
    "report": "Report",
    "table": "Tables",
    "errors": "Errors and warnings",
}


def rooms() -> dict[str, list[str]]:
    """Public names by room, both in reading order."""
    found: dict[str, list[str]] = {room: [] for room in HEADINGS}
    for name in cryptoequity.__all__:
        public = getattr(cryptoequity, name)
        home = public.__name__ if inspect.ismodule(public) else getattr(public, "__module__", None)
        if home is not None:  # __version__ is text and has none
            found.setdefault(home.split(".")[1], []).append(name)
    return {room: names for room, names in found.items() if names}


def page_of(name: str) -> str:
    """One name: its docstring and members."""
    public = getattr(cryptoequity, name)
    lines = [name, "=" * len(name), "", ".. currentmodule:: cryptoequity", ""]
    if inspect.ismodule(public):
        lines += [f".. automodule:: {public.__name__}", "   :members:"]
    elif inspect.isclass(public) and issubclass(public, Exception):
        lines += [f".. autoexception:: {name}", "   :show-inheritance:"]
    elif inspect.isclass(public):
        lines += [f".. autoclass:: {name}", "   :members:", "   :inherited-members:"]
    elif callable(public):
        lines += [f".. autofunction:: {name}"]
    else:
        lines += [f".. autodata:: {name}"]
    return "\n".join([*lines, ""])


def page_of_room(room: str, names: list[str]) -> str:
    """A table of the room's names, and their pages."""
    heading = HEADINGS.get(room, room.capitalize())
    lines = [heading, "=" * len(heading), "", ".. currentmodule:: cryptoequity", ""]
    modules = [name for name in names if inspect.ismodule(getattr(cryptoequity, name))]
    lines += [".. autosummary::", "", *(f"   {name}" for name in names if name not in modules), ""]
    lines += [".. toctree::", "   :hidden:", "", *(f"   {name}" for name in names if name not in modules)]
    if modules:
        lines += ["", ".. toctree::", "   :maxdepth: 1", "", *(f"   {name}" for name in modules)]
    return "\n".join([*lines, ""])


def write(folder: Path) -> None:
    """Write the pages that changed, and remove those of names that are gone."""
    by_room = rooms()
    pages = {name: page_of(name) for names in by_room.values() for name in names}
    pages |= {f"room-{room}": page_of_room(room, names) for room, names in by_room.items()}
    listing = [f"   room-{room}" for room in by_room]
    pages["rooms"] = "\n".join(["Rooms", "=====", "", ".. toctree::", "   :maxdepth: 1", "", *listing, ""])
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.rst"):
        if old.stem not in pages:
            old.unlink()
    for stem, text in pages.items():
        path = folder / f"{stem}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
