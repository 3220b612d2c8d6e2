"""What people read, for translators: ``python packaging/strings.py [LANGUAGE]`` lists what a catalogue lacks.

Found in the code's syntax tree: the literals in calls of ``tr``, those of the tables whose words are
translated when they are shown, and the sentences of those parts of the inside that speak to people.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE = ROOT / "gpn_desktop"
# Which positional argument of these is shown.
TABLES = {"Look": 0, "PageSpec": 1, "marked": 0, "said": 0}
ERRORS = CODE / "core" / "errors"
# Their sentences are translated when they are shown.
SPEAKERS = (
    CODE / "composition" / "openings.py",
    CODE / "core" / "health.py",
    CODE / "core" / "reach.py",
    CODE / "core" / "trial.py",
    CODE / "services" / "health_checks.py",
)


def sentences() -> dict[str, str]:
    """Each sentence, and the first place where it stands."""
    found: dict[str, str] = {}
    for path in sorted((CODE / "ui").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for text in _shown(node):
                found.setdefault(text, f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}")
    for path in sorted(ERRORS.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for text in _remedy(node):
                found.setdefault(text, f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}")
    for path in SPEAKERS:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for text, at in _sentences(tree):
            found.setdefault(text, f"{path.relative_to(ROOT)}:{at}")
        for node in ast.walk(tree):
            for text in _shown(node):
                found.setdefault(text, f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}")
    return found


def _sentences(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Plain literals that begin with a capital; no docstrings, and no parts of texts with figures."""
    skipped = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr | ast.Expr)
        for child in ast.walk(node)
        if isinstance(node, ast.JoinedStr) or child is node.value
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in skipped:
            continue
        if node.value[:1].isupper() and not node.value.isupper():
            yield node.value, node.lineno


def _remedy(node: ast.AST) -> Iterator[str]:
    named = isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "remedy" for target in node.targets
    )
    if named and isinstance(node, ast.Assign):
        yield from _literal(node.value)


def _shown(node: ast.AST) -> Iterator[str]:
    if not isinstance(node, ast.Call):
        return
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "tr" and node.args:
        yield from _literal(node.args[0])
    elif name in TABLES and len(node.args) > TABLES[name]:
        yield from _literal(node.args[TABLES[name]])


def _literal(value: ast.expr) -> Iterator[str]:
    if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
        yield value.value


def main() -> int:
    language = sys.argv[1] if len(sys.argv) > 1 else "de"
    path = ROOT / "resources" / "translations" / f"{language}.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    wanted = sentences()
    missing = {text: where for text, where in wanted.items() if not known.get(text)}
    stale = [text for text in known if text not in wanted]
    print(json.dumps({"missing": missing, "stale": stale}, indent=2, ensure_ascii=False))
    return 1 if missing or stale else 0


if __name__ == "__main__":
    sys.exit(main())
