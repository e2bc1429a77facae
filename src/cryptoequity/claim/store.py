"""Finished draws of a run, in memory and on disk, so that it can go on after a stop and be extended.

A draw is a function of the plan's seed and of its number, so a draw that was kept need not be made again. On disk a
run has a folder named by the hash of the plan without its number of draws and the hash of the data; in it stand
shards, each a JSON header line and a JSON body with the hash of both. A shard is written under another name and then
renamed, so that none is ever half there.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import CryptoEquityWarning, DataError, SpecError
from ..estimation.parallel import FailedDraw
from .fingerprint import fingerprint
from .plan import Plan
from .registration import library_version

__all__ = ["DrawStore", "RunLedger"]

FORMAT = 1
MANIFEST = "run.json"
SUFFIX = ".draws"


class DrawStore:
    """Finished draws of one plan, but for their number, on one sample.

    Parameters
    ----------
    folder : where runs are kept, or None for memory alone. plan : whose draws they are.
    data_sha256 : hash of the data they are drawn for.

    Attributes
    ----------
    run : hash of plan, data and library version that every shard bears. folder : of this run, or None.

    Raises
    ------
    DataError : a folder that holds shards of another run, or shards that do not have their hash.
    """

    def __init__(self, folder: str | Path | None, plan: Plan, data_sha256: str) -> None:
        content = _run_of(plan, data_sha256)
        self.run = _digest(content)
        self.folder: Path | None = None
        self._draws: dict[tuple[str, str], dict[str, Any]] = {}
        if folder is None:
            return
        parent = Path(folder)
        if parent.exists() and not parent.is_dir():
            raise SpecError(f"store={str(folder)!r} is a file; the draws need a folder.")
        key = f"{content['plan_sha256_without_draws'][:12]}-{content['data_sha256'][:12]}"
        self.folder = parent / key
        self.folder.mkdir(parents=True, exist_ok=True)
        self._check_manifest(content)
        for shard in sorted(self.folder.glob(f"*{SUFFIX}")):
            self._read(shard)

    @classmethod
    def of(cls, store: str | Path | DrawStore | None, plan: Plan, data_sha256: str) -> DrawStore:
        """Open a store, or check that an open one is of this run."""
        if not isinstance(store, DrawStore):
            return cls(store, plan, data_sha256)
        run = _digest(_run_of(plan, data_sha256))
        if store.run != run:
            raise DataError(
                f"the store holds draws of run {store.run[:12]}, this is {run[:12]}: plan, data or version differ; "
                "pass a folder, in which every run has a place of its own."
            )
        return store

    def __len__(self) -> int:
        """Draws that are kept, over all labels."""
        return sum(map(len, self._draws.values()))

    def counts(self) -> dict[str, int]:
        """Draws that are kept, by label."""
        out: dict[str, int] = {}
        for (label, _), draws in self._draws.items():
            out[label] = out.get(label, 0) + len(draws)
        return out

    def get(self, slot: tuple[str, str]) -> Mapping[str, Any]:
        """Results of a label and a fingerprint of what draws them, by task."""
        return self._draws.get(slot, {})

    def put(self, slot: tuple[str, str], results: Mapping[str, Any]) -> None:
        """Keep results by task; with a folder they are on disk when this returns."""
        self._draws.setdefault(slot, {}).update(results)
        if self.folder is not None and results:
            self._write(slot, results)

    def _check_manifest(self, content: dict[str, Any]) -> None:
        assert self.folder is not None
        path = self.folder / MANIFEST
        if not path.exists():
            _atomic(path, json.dumps(content, indent=1) + "\n")
            return
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise DataError(
                f"{path.name} of the store is damaged: {error}; delete the folder {path.parent}."
            ) from error
        for name, value in content.items():
            other = found.get(name) if isinstance(found, dict) else None
            if other != value:
                raise DataError(
                    f"the draws in {path.parent} are of another run: {name} is {other!r}, here it is {value!r}; take "
                    "another folder, or delete this one to draw anew."
                )

    def _write(self, slot: tuple[str, str], results: Mapping[str, Any]) -> None:
        assert self.folder is not None
        try:
            body = json.dumps([[task, _encode(value)] for task, value in results.items()])
        except TypeError as error:
            warnings.warn(
                f"draws of '{slot[0]}' cannot be kept on disk, for {error}; a later run makes them again.",
                CryptoEquityWarning,
                stacklevel=2,
            )
            return
        header = {"format": FORMAT, "run": self.run, "label": slot[0], "fingerprint": slot[1]}
        digest = _sha(header, body)
        plain = "".join(letter if letter.isalnum() else "-" for letter in slot[0])[:40]
        text = json.dumps({**header, "sha256": digest}) + "\n" + body + "\n"
        _atomic(self.folder / f"{plain}-{digest[:24]}{SUFFIX}", text)

    def _read(self, path: Path) -> None:
        cure = "delete this file and its draws are made again"
        try:
            first, _, rest = path.read_text(encoding="utf-8").partition("\n")
            header = json.loads(first)
            body = rest.removesuffix("\n")
            claimed = header.pop("sha256")
            if set(header) != {"format", "run", "label", "fingerprint"}:
                raise ValueError("its header is not that of a shard")
            if _sha(header, body) != claimed:
                raise ValueError("its content does not have the hash it states")
            rows = {str(task): _decode(value) for task, value in json.loads(body)}
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise DataError(f"shard {path.name} is damaged: {error}; {cure}.") from error
        if header["run"] != self.run:
            raise DataError(
                f"shard {path.name} is of another run, {str(header['run'])[:12]}, this is {self.run[:12]}: it was "
                "drawn by another plan, for other data or by another version of the library; move it away."
            )
        known = self._draws.setdefault((header["label"], header["fingerprint"]), {})
        for task, value in rows.items():
            if task in known and json.dumps(_encode(known[task])) != json.dumps(_encode(value)):
                raise DataError(f"shard {path.name} has another result for a draw of '{header['label']}'; {cure}.")
            known[task] = value


@dataclass
class RunLedger:
    """What `map_draws` reports to during one run: a store, and the count of what was done and what failed.

    Attributes
    ----------
    store : of the draws. counts : draws by label. failed : errors of those that failed, by label.
    recalled : draws that were there already, by label.
    """

    store: DrawStore
    counts: dict[str, int] = field(default_factory=dict)
    failed: dict[str, list[str]] = field(default_factory=dict)
    recalled: dict[str, int] = field(default_factory=dict)

    def recall(self, label: str, fn: Callable[[Any], Any], tasks: Sequence[Any]) -> tuple[Any, dict[int, Any]]:
        """Return the slot of these draws and those that are known, by position."""
        names = [name for task in tasks if (name := fingerprint(task)) is not None]
        whose = fingerprint(fn)
        if whose is None or len(names) < len(tasks):  # nothing tells these draws from others: made every time
            return (label, None, names), {}
        slot = (label, whose)
        known = self.store.get(slot)
        found = {place: known[name] for place, name in enumerate(names) if name in known}
        self.recalled[label] = self.recalled.get(label, 0) + len(found)
        return (label, slot, names), found

    def keep(self, handle: Any, results: Mapping[int, Any]) -> None:
        """Keep finished results."""
        _, slot, names = handle
        if slot is not None:
            self.store.put(slot, {names[place]: value for place, value in results.items()})

    def close(self, handle: Any, count: int, failed: Mapping[int, FailedDraw]) -> None:
        """Count the draws and the failures of one label."""
        label = handle[0]
        self.counts[label] = self.counts.get(label, 0) + count
        self.failed.setdefault(label, []).extend(failed[place].error for place in sorted(failed))

    def failures(self) -> pd.DataFrame:
        """One row a label: draws, failed, share, first error ("" without)."""
        rows = [
            (label, count, len(errors), len(errors) / count, errors[0] if errors else "")
            for label, count in self.counts.items()
            for errors in (self.failed[label],)
        ]
        frame = pd.DataFrame(rows, columns=["label", "draws", "failed", "share", "first error"])
        return frame.set_index("label")


def _run_of(plan: Plan, data_sha256: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "plan_sha256_without_draws": plan.law_sha256,
        "data_sha256": _with_series(plan, data_sha256),
        "version": library_version(),
    }


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _with_series(plan: Plan, data_sha256: str) -> str:
    """Hash of the returns and of all episodes with their series, which the plan's hash leaves out."""
    episodes = (plan.episodes, *plan.alternatives, *(() if plan.dose is None else (plan.dose,)))
    return hashlib.sha256("|".join([data_sha256, *(one.sha256 for one in episodes)]).encode()).hexdigest()


def _sha(header: Mapping[str, Any], body: str) -> str:
    return hashlib.sha256(f"{json.dumps(header, sort_keys=True)}\n{body}".encode()).hexdigest()


def _atomic(path: Path, text: str) -> None:
    """Write a file that is there as a whole or not at all."""
    # several processes may write one shard: each under its own name, and the content is the same
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _encode(value: Any) -> Any:
    """JSON-able form that reads back to the same bits."""
    if isinstance(value, FailedDraw):
        return {"failed": value.error}
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, np.bool_ | np.integer | np.floating):
        value = value.item()
    if isinstance(value, bool | int | float):
        return value  # Python writes a float as the shortest text that reads back to it
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return {
            "array": base64.b64encode(np.ascontiguousarray(value).tobytes()).decode(),
            "dtype": value.dtype.str,
            "shape": list(value.shape),
        }
    if type(value) is list:
        return [_encode(one) for one in value]
    if type(value) is tuple:
        return {"tuple": [_encode(one) for one in value]}
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {"dict": {name: _encode(one) for name, one in value.items()}}
    raise TypeError(f"they hold a {type(value).__name__}")


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "failed" in value:
        return FailedDraw(value["failed"])
    if "tuple" in value:
        return tuple(_decode(one) for one in value["tuple"])
    if "dict" in value:
        return {name: _decode(one) for name, one in value["dict"].items()}
    raw = base64.b64decode(value["array"], validate=True)
    return np.frombuffer(raw, dtype=np.dtype(value["dtype"])).reshape(value["shape"]).copy()
