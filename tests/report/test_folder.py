"""All files or none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cryptoequity.errors import SpecError
from cryptoequity.report import folder as room
from cryptoequity.report.folder import check_folder, put_files


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_new_folder_with_its_parents(tmp_path):
    target = tmp_path / "a" / "b"
    paths = put_files(target, {"x.txt": b"1", "sub/y.txt": b"2"})
    assert content(target) == {"x.txt": b"1", "sub/y.txt": b"2"}
    assert paths == {"x.txt": target / "x.txt", "sub/y.txt": target / "sub" / "y.txt"}
    assert [path.name for path in target.parent.iterdir()] == ["b"]


def test_existing_folder_keeps_foreign_files_and_loses_stale_ones(tmp_path):
    put_files(tmp_path / "d", {"x": b"old", "sub/gone": b"old"})
    (tmp_path / "d" / "sub" / "mine").write_bytes(b"mine")
    put_files(tmp_path / "d", {"x": b"new"}, stale=("x", "sub/gone", "never/there"))
    assert content(tmp_path / "d") == {"x": b"new", "sub/mine": b"mine"}
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_a_relative_folder_and_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put_files("d", {"x": b"1"})
    monkeypatch.chdir(tmp_path / "d")
    put_files(".", {"x": b"2"})
    assert content(tmp_path) == {"d/x": b"2"}


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_failure_while_writing_leaves_nothing(tmp_path, monkeypatch, error):
    def broken(path, data):
        if path.name == "y":
            raise error
        return write(path, data)

    write = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", broken)
    with pytest.raises(type(error)):
        put_files(tmp_path / "d", {"x": b"1", "y": b"2"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError("no rights"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", range(1, 7))
def test_failure_while_moving_puts_everything_back(tmp_path, monkeypatch, error, at):
    put_files(tmp_path / "d", {"x": b"old x", "stale": b"old", "sub/y": b"old y"})
    before = content(tmp_path)
    calls = 0
    move = os.replace

    def broken(source, target):
        nonlocal calls
        calls += 1
        if calls == at:
            raise error
        move(source, target)

    monkeypatch.setattr(room.os, "replace", broken)
    with pytest.raises(type(error)):
        put_files(tmp_path / "d", {"x": b"new", "fresh": b"new", "sub/y": b"new"}, stale=("stale",))
    assert content(tmp_path) == before


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "f").write_text("")
    for path in (tmp_path / "f", tmp_path / "f" / "below"):
        with pytest.raises(SpecError, match="'f' is a file, the dossier needs a folder"):
            check_folder(path)
