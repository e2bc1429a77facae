"""Files fetched from elsewhere, kept on disk under their checksums."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import CryptoEquityError, DataError, SpecError

__all__ = ["Cache", "DownloadError", "download"]

AGAIN = (429, 500, 502, 503, 504)  # refusals that pass with time
LONGEST_PAUSE = 60.0
_LOCK_PATIENCE = 10.0


class DownloadError(CryptoEquityError, OSError):
    """A source did not answer, or not with data."""


def download(url: str, *, timeout: float = 30.0, retries: int = 4, pause: float = 1.0) -> bytes:
    """Return what stands at ``url``.

    Answers 429, 500, 502, 503 and 504, timeouts and broken connections are tried again ``retries`` times,
    after ``pause``, ``2 pause``, ``4 pause`` … seconds or what the server asks for, one minute at most.

    Raises
    ------
    DownloadError
        With the last answer and the number of attempts.
    """
    if not url.startswith(("http://", "https://")):
        raise SpecError(f"url={url!r} must start with http:// or https://; read local files with read_prices.")
    request = urllib.request.Request(url, headers={"User-Agent": "cryptoequity (python)"})
    reason, wait = "", 0.0
    for attempt in range(retries + 1):
        if attempt:
            time.sleep(wait)
        wait = min(pause * 2**attempt, LONGEST_PAUSE)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                body: bytes = answer.read()
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
            asked = error.headers.get("Retry-After", "")
            error.close()
            if error.code not in AGAIN:
                raise DownloadError(f"{url}: {reason}; check the address.") from None
            if asked.isdigit():
                wait = min(float(asked), LONGEST_PAUSE)
        except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        else:
            if body:
                return body
            reason = "an empty answer"
    raise DownloadError(
        f"{url}: {reason}, after {retries + 1} attempts of at most {timeout:g} s each; try again later, or "
        "raise timeout= or retries=."
    )


def default_folder() -> Path:
    """Return the folder of the cache: ``CRYPTOEQUITY_CACHE`` if set, else ``~/.cache/cryptoequity``."""
    chosen = os.environ.get("CRYPTOEQUITY_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "cryptoequity"


@dataclass(frozen=True)
class Cache:
    """A folder of fetched files and a ``manifest.json`` that knows their checksums.

    Parameters
    ----------
    folder : Path
        Made on first use.
    """

    folder: Path

    @classmethod
    def at(cls, folder: str | Path | None) -> Cache:
        """Return the cache in ``folder``, by default `default_folder`."""
        return cls(default_folder() if folder is None else Path(folder))

    def fetch(
        self, key: str, get: Callable[[], bytes], *, suffix: str = ".csv", refresh: bool = False
    ) -> tuple[Path, dict[str, Any]]:
        """Return the file kept under ``key`` and its entry in the manifest, calling ``get`` where there is none.

        Raises
        ------
        DataError
            The file is not the one that was fetched.
        """
        entry = self.manifest().get(key)
        if entry is not None and not refresh:
            path = self.folder / entry["file"]
            if path.exists():
                found = hashlib.sha256(path.read_bytes()).hexdigest()
                if found != entry["sha256"]:
                    raise DataError(
                        f"{path.name}: the cached copy of {key} has sha256 {found[:16]}…, the manifest says "
                        f"{entry['sha256'][:16]}… ({entry['bytes']} bytes, {entry['retrieved']}): it was "
                        "changed after it was fetched. Pass refresh=True to fetch it again, or restore the "
                        "file."
                    )
                return path, entry
        body = get()
        slug = re.sub(r"[^A-Za-z0-9]+", "-", key).strip("-")[-60:]
        entry = {
            "file": f"{slug}-{hashlib.sha256(key.encode()).hexdigest()[:12]}{suffix}",
            "sha256": hashlib.sha256(body).hexdigest(),
            "bytes": len(body),
            "retrieved": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            self._write(self.folder / entry["file"], body)
            files = {**self.manifest(), key: entry}
            text = json.dumps({"version": 1, "files": files}, indent=1, sort_keys=True)
            self._write(self.folder / "manifest.json", text.encode())
        return self.folder / entry["file"], entry

    def manifest(self) -> dict[str, dict[str, Any]]:
        """Return ``{key: {file, sha256, bytes, retrieved}}``."""
        path = self.folder / "manifest.json"
        if not path.exists():
            return {}
        try:
            files: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["files"]
        except (json.JSONDecodeError, KeyError, TypeError):
            raise DataError(f"{path} is damaged; delete it and fetch again.") from None
        return files

    def _write(self, path: Path, body: bytes) -> None:
        """Write all or nothing: a reader never sees half a file."""
        handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=".writing-")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(body)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time rewrite the manifest."""
        path = self.folder / "manifest.lock"
        until = time.monotonic() + _LOCK_PATIENCE
        while True:
            try:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                break
            except FileExistsError:
                if time.monotonic() > until:
                    raise DataError(
                        f"{path} has been held for {_LOCK_PATIENCE:g} s; if no other process is fetching, delete it."
                    ) from None
                time.sleep(0.02)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
