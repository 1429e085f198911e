"""The docs and the code tell the same: names, errors, files, and what is returned."""

import ast
import builtins
import functools
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import sklearn_kpd

ROOT = Path(sklearn_kpd.__file__).parent
REPOSITORY = Path(__file__).parents[1]
REFERENCE = REPOSITORY / "docs" / "api.rst"
QUESTIONS = REPOSITORY / "docs" / "faq.rst"
# The command line says what it takes by --help; __main__ runs it.
MODULES = [
    module.name
    for module in pkgutil.iter_modules(sklearn_kpd.__path__)
    if not module.name.startswith("_") and module.name != "cli"
]


def public_names():
    yield from (name for name in sklearn_kpd.__all__ if not name.startswith("_"))
    for module in MODULES:
        names = getattr(importlib.import_module(f"sklearn_kpd.{module}"), "__all__", ())
        # what the package itself gives is listed there
        yield from (f"{module}.{n}" for n in names if n not in sklearn_kpd.__all__)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_what_is_public(module):
    module = importlib.import_module(f"sklearn_kpd.{module}")
    assert module.__all__
    assert all(hasattr(module, name) for name in module.__all__)


def test_the_package_gives_its_modules():
    assert {*sklearn_kpd._MODULES, "regressor"} == set(MODULES)


@pytest.mark.parametrize("name", list(public_names()))
def test_the_reference_lists(name):
    words = REFERENCE.read_text(encoding="utf-8").replace("`", " ").replace(",", " ").split()
    assert name in words


def returns():
    """Functions whose docstring has a section 'Returns', with its lines."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = ast.get_docstring(node) if isinstance(node, ast.FunctionDef) else None
            if text and "\nReturns\n-------\n" in text:
                lines = text.split("\nReturns\n-------\n")[1].split("\n\n")[0].splitlines()
                yield f"{path.relative_to(ROOT)}:{node.name}", lines


@pytest.mark.parametrize(
    ("where", "lines"), [pytest.param(*item, id=item[0]) for item in returns()]
)
def test_what_is_returned_is_said_in_words(where, lines):
    """A type alone tells nobody what it is; `self` is known."""
    kinds = [at for at, line in enumerate(lines) if not line.startswith(" ")]
    for at, following in zip(kinds, [*kinds[1:], len(lines)], strict=True):
        assert lines[at] == "self" or following - at > 1, f"{where}: {lines[at]}"


@functools.cache
def texts():
    """Texts of the package, each a tuple of its pieces: None is what is filled in."""
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add((node.value,))
            elif isinstance(node, ast.JoinedStr):
                pieces = (getattr(piece, "value", None) for piece in node.values)
                found.add(tuple(p if isinstance(p, str) else None for p in pieces))
    return found


def begins_with(pieces, words, known=0):
    """Whether a text may begin with these words, a dozen letters of them its own."""
    if not words or not pieces:
        return not words and known >= 12
    first, *rest = pieces
    if first is not None:
        shared = min(len(first), len(words))
        return first[:shared] == words[:shared] and begins_with(
            rest, words[shared:], known + shared
        )
    return any(begins_with(rest, words[n:], known) for n in range(len(words) + 1))


# What other packages say, or what is put together of several texts.
OTHERS = {"Input y_true contains NaN"}
MESSAGES = re.findall(
    r"^``(.+)``\n(?=    )", QUESTIONS.read_text(encoding="utf-8"), flags=re.MULTILINE
)


def test_messages_are_found():
    assert len(MESSAGES) > 40


@pytest.mark.parametrize("message", sorted(set(MESSAGES) - OTHERS))
def test_the_errors_that_are_explained_are_those_of_the_code(message):
    assert any(begins_with(pieces, message) for pieces in texts())


@pytest.mark.parametrize("page", sorted(REPOSITORY.glob("*.md")), ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)|src=\"([^\":]+)\"", text)
    named = re.findall(r"`((?:docs|examples|benchmarks)/[\w/.]*\w)`", text)
    for link in (*(a or b for a, b in links), *named):
        assert (REPOSITORY / link).exists(), link


# What a reader has: data, and the Pipeline of the block before.
READERS_OWN = {"X", "X_test", "pipe", "y", "y_test"}


def test_code_of_the_readme_imports_what_it_uses():
    text = (REPOSITORY / "README.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 3
    for block in blocks:
        nodes = list(ast.walk(ast.parse(block)))
        names = [node for node in nodes if isinstance(node, ast.Name)]
        known = {node.id for node in names if isinstance(node.ctx, ast.Store)} | READERS_OWN
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                known |= {alias.asname or alias.name for alias in node.names}
        used = {node.id for node in names if isinstance(node.ctx, ast.Load)}
        assert used - known <= set(dir(builtins)), block
