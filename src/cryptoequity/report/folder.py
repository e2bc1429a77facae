"""Put a set of files into a folder, all of them or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from ..errors import SpecError

__all__ = ["check_folder", "put_files"]


def check_folder(folder: str | Path) -> Path:
    """Absolute path of a folder that exists or can be made; refuse the path of a file.

    Raises
    ------
    SpecError : the path, or a part of it, is a file.
    """
    path = Path(folder).expanduser().absolute()
    for part in (path, *path.parents):
        if part.exists():
            if not part.is_dir():
                raise SpecError(f"{part.name!r} is a file, the dossier needs a folder; choose another name.")
            break
    return path


def put_files(folder: str | Path, files: Mapping[str, bytes], stale: Collection[str] = ()) -> dict[str, Path]:
    """Write ``files`` (relative name to content) into ``folder``; an error or interrupt leaves it as it was.

    Everything is written beside the folder first. A new folder then appears in one rename; in an existing one
    each file is replaced whole and put back if a later one fails. Files of other names stay untouched, except
    that those in ``stale`` (an earlier dossier's) are removed.

    Returns
    -------
    dict from relative name to path.
    """
    target = check_folder(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        fresh, kept = scratch / "new", scratch / "old"
        for name, content in files.items():
            place = fresh / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        if not target.exists():
            os.replace(fresh, target)
        else:
            _exchange(target, fresh, kept, list(files), [name for name in stale if name not in files])
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return {name: target / name for name in files}


def _exchange(target: Path, fresh: Path, kept: Path, names: list[str], stale: list[str]) -> None:
    done: list[str] = []
    try:
        for name in (*names, *stale):
            place, old, new = target / name, kept / name, fresh / name
            done.append(name)
            if place.exists():
                old.parent.mkdir(parents=True, exist_ok=True)
                os.replace(place, old)
            if new.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(new, place)
    except BaseException:
        for name in reversed(done):
            old, place = kept / name, target / name
            if old.exists():
                os.replace(old, place)
            elif name in names and not (fresh / name).exists():
                place.unlink(missing_ok=True)
        raise
