"""The public names: they resolve, they are documented, their examples run, and every list of names is true."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import types
import warnings
from pathlib import Path

import pytest

import cryptoequity as ce

SRC = Path(ce.__file__).parent
MODULES = sorted(
    info.name for info in pkgutil.walk_packages([str(SRC)], "cryptoequity.") if not info.name.endswith("__main__")
)
PUBLIC = [name for name in ce.__all__ if name != "__version__"]
SECTION = re.compile(r"^(Parameters|Attributes|Returns|Raises|Notes|Examples)\n-+$", re.MULTILINE)


def is_error(thing):
    return isinstance(thing, type) and issubclass(thing, Exception | Warning)


# --- names


def test_every_public_name_resolves():
    assert len(set(ce.__all__)) == len(ce.__all__)
    for name in ce.__all__:
        assert getattr(ce, name) is not None


def test_the_directory_is_the_list_of_public_names():
    assert dir(ce) == sorted(ce.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'cryptoequity' has no attribute 'nonsense'"):
        ce.nonsense  # noqa: B018
    with pytest.raises(ImportError):
        exec("from cryptoequity import nonsense")


def test_star_import_brings_them_all():
    space = {}
    exec("from cryptoequity import *", space)
    assert set(PUBLIC) <= set(space)


@pytest.mark.parametrize("module", MODULES)
def test_lists_of_names_are_true(module):
    loaded = importlib.import_module(module)
    names = getattr(loaded, "__all__", [])
    assert len(set(names)) == len(names)
    for name in names:
        assert hasattr(loaded, name), f"{module}.__all__ lists {name}, which is not there"


@pytest.mark.parametrize(
    "room",
    [
        "data",
        "volatility",
        "correlation",
        "covariance",
        "regimes",
        "diagnostics",
        "portfolio",
        "breaks",
        "dependence",
        "claim",
    ],
)
def test_what_a_room_offers_is_public(room):
    offered = importlib.import_module(f"cryptoequity.{room}").__all__
    assert sorted(offered) == sorted(name for name, home in ce._ROOMS.items() if home == room)
    for name in offered:
        assert getattr(ce, name) is getattr(importlib.import_module(f"cryptoequity.{room}"), name)


def test_every_error_is_public():
    from cryptoequity import errors

    kinds = {name for name in errors.__all__ if is_error(getattr(errors, name))}
    assert kinds == {name for name, home in ce._ROOMS.items() if home == "errors"}


def test_type_checkers_see_the_same_names():
    tree = ast.parse((SRC / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == {**ce._ROOMS, "plots": None}  # a room, imported whole


def test_importing_a_name_loads_its_room_alone():
    code = "import sys, cryptoequity as ce; ce.DataError; print('pandas' in sys.modules, 'numba' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False"]


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert ce.__version__ == version("cryptoequity")


# --- documentation


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_documented(name):
    thing = getattr(ce, name)
    text = inspect.getdoc(thing)
    assert text
    first = text.split("\n")[0]
    assert first.endswith((".", ";", ":")) or "\n" in text
    if isinstance(thing, types.ModuleType) or is_error(thing):
        return
    assert text != inspect.getdoc(type(thing)), "the docstring is its type's"
    if isinstance(thing, type):
        assert re.search(r"^(Parameters|Attributes)\n-+$", text, re.MULTILINE) or re.search(
            "Parameters as in|Attributes are those of", text
        )
    elif inspect.signature(thing).parameters:
        assert SECTION.search(text)


@pytest.mark.parametrize("name", [name for name in PUBLIC if isinstance(getattr(ce, name), type)])
def test_every_public_method_is_documented(name):
    thing = getattr(ce, name)
    for attribute, value in vars(thing).items():
        is_member = inspect.isfunction(value) or isinstance(value, property | classmethod | staticmethod)
        if is_member and not attribute.startswith("_"):
            assert inspect.getdoc(getattr(thing, attribute) if not isinstance(value, property) else value.fget), (
                f"{name}.{attribute} has no docstring"
            )


@pytest.mark.parametrize("name", [name for name in PUBLIC if inspect.isfunction(getattr(ce, name))])
def test_parameters_are_those_of_the_signature(name):
    text = inspect.getdoc(getattr(ce, name))
    match = re.search(r"^Parameters\n-+\n(.*?)(?=^\w+\n-+$|\Z)", text, re.MULTILINE | re.DOTALL)
    if match is None:
        return
    for parameter in inspect.signature(getattr(ce, name)).parameters:
        assert re.search(rf"\b{parameter}\b", match.group(1)), f"{name}: {parameter} is not described"


# --- examples


def with_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = []
    for module in MODULES:
        tests = finder.find(importlib.import_module(module), module)
        found += [test for test in tests if test.examples and not test.name.startswith("cryptoequity.kernels")]
    return found


@pytest.mark.parametrize("test", with_examples(), ids=lambda test: test.name.removeprefix("cryptoequity."))
def test_examples_run(test):
    said = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what warns a reader must not stop the example
        result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert result.failed == 0, "".join(said)


def test_the_headline_names_have_an_example():
    shown = " ".join(test.name for test in with_examples())
    for name in ("test_claim", "Plan", "DCC", "GARCH", "fit_margins", "load_sample"):
        assert name in shown
