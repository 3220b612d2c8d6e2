"""Renders typed Python bindings from the contract's ABI (see gen.py)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak

Abi = dict[str, Any]
PRELUDE = Path(__file__).with_name("prelude.py.txt")
BUILTIN_ERRORS = (
    {"name": "Error", "inputs": [{"name": "message", "type": "string"}]},
    {"name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
)


def snake(name: str) -> str:
    if name.isupper():
        return name.lower()
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name.strip("_")).lower()


def canonical(item: Abi) -> str:
    """The type as signatures spell it: tuples opened."""
    kind: str = item["type"]
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(canonical(c) for c in item["components"]) + ")" + kind[len("tuple") :]


def signature(item: Abi) -> str:
    return f"{item['name']}({','.join(canonical(i) for i in item['inputs'])})"


def struct_name(item: Abi) -> str:
    return str(item["internalType"]).removeprefix("struct ").split(".")[-1].split("[")[0]


def python_type(item: Abi, inputs: set[str]) -> str:
    """``inputs`` are the structures that callers build: those take any bytes."""
    kind: str = item["type"]
    if kind.endswith("[]"):
        inner = python_type({**item, "type": kind[:-2]}, inputs)
        return f"Sequence[{inner}]" if item.get("_input") else f"tuple[{inner}, ...]"
    if kind == "tuple":
        return struct_name(item)
    if kind.startswith(("uint", "int")):
        return "int"
    if kind == "address":
        return "bytes" if item.get("_input") else "Address"
    if kind == "bytes32":
        return "bytes" if item.get("_input") else "Hash32"
    return {"bool": "bool", "string": "str"}.get(kind, "bytes")


def loaded(item: Abi, value: str) -> str:
    """The expression that makes a Python value of what eth_abi decoded."""
    kind: str = item["type"]
    if kind.endswith("[]"):
        inner = {**item, "type": kind[:-2]}
        return f"tuple({loaded(inner, 'x')} for x in {value})"
    if kind == "tuple":
        return f"_load_{snake(struct_name(item))}({value})"
    if kind == "address":
        return f"_address({value})"
    if kind == "bytes32":
        return f"Hash32({value})"
    return value


def structs(abi: list[Abi]) -> tuple[dict[str, list[Abi]], set[str]]:
    """All structures by name, those they contain first, and the names of those that callers build."""
    found: dict[str, list[Abi]] = {}
    built: set[str] = set()

    def visit(item: Abi, is_input: bool) -> None:
        if not item["type"].startswith("tuple"):
            return
        for component in item["components"]:
            visit(component, is_input)
        found[struct_name(item)] = item["components"]
        if is_input:
            built.add(struct_name(item))

    for entry in abi:
        for item in entry.get("inputs", ()):
            visit(item, True)
        for item in entry.get("outputs", ()):
            visit(item, False)
    return found, built


def types(items: list[Abi]) -> str:
    return repr([canonical(i) for i in items])


def doc_and_fields(items: list[Abi], built: set[str], is_input: bool) -> list[str]:
    return [f"    {snake(i['name'])}: {python_type({**i, '_input': is_input}, built)}" for i in items]


def render_struct(name: str, components: list[Abi], built: set[str]) -> str:
    lines = ["@dataclass(frozen=True, slots=True)", f"class {name}:"]
    lines += doc_and_fields(components, built, name in built)
    values = ", ".join(loaded(c, f"t[{n}]") for n, c in enumerate(components))
    lines += ["", "", f"def _load_{snake(name)}(t: Sequence[Any]) -> {name}:", f"    return {name}({values})"]
    return "\n".join(lines)


def render_function(item: Abi, built: set[str]) -> str:
    name = snake(item["name"])
    names = [snake(i["name"]) or f"value{n}" for n, i in enumerate(item["inputs"])]
    kinds = [python_type({**i, "_input": True}, built) for i in item["inputs"]]
    parameters = ", ".join(f"{n}: {k}" for n, k in zip(names, kinds, strict=True))
    selector = keccak(signature(item).encode())[:4].hex()
    lines = [
        f"def {name}({parameters}) -> bytes:",
        f'    """Call data of ``{signature_text(item)}``."""',
        f"    return _call('{selector}', {types(item['inputs'])}, [{', '.join(names)}])",
    ]
    outputs = item["outputs"]
    if outputs:
        results = [python_type(o, built) for o in outputs]
        result = results[0] if len(results) == 1 else f"tuple[{', '.join(results)}]"
        value = ", ".join(loaded(o, f"t[{n}]") for n, o in enumerate(outputs))
        lines += [
            "",
            "",
            f"def decode_{name}(data: bytes) -> {result}:",
            f'    """What ``{item["name"]}`` returns."""',
            f"    t = decode({types(outputs)}, data)",
            f"    result: {result} = {value}",
            "    return result",
        ]
    return "\n".join(lines)


def signature_text(item: Abi) -> str:
    return f"{item['name']}({', '.join(i['name'] for i in item['inputs'])})"


def render_event(item: Abi, built: set[str]) -> str:
    topic = keccak(signature(item).encode())
    indexed = [i for i in item["inputs"] if i["indexed"]]
    data = [i for i in item["inputs"] if not i["indexed"]]
    values = []
    for i in item["inputs"]:
        group, source = (indexed, "i") if i["indexed"] else (data, "t")
        values.append(f"{snake(i['name'])}={loaded(i, f'{source}[{group.index(i)}]')}")
    lines = ["@dataclass(frozen=True, slots=True)", f"class {item['name']}:"]
    lines += [f"    TOPIC: ClassVar[Hash32] = Hash32(bytes.fromhex('{topic.hex()}'))"]
    lines += doc_and_fields(item["inputs"], built, False)
    lines += [
        "",
        "    @classmethod",
        "    def decode(cls, topics: Sequence[bytes], data: bytes) -> Self:",
        f'        """From a log with this topic; ValueError otherwise (``{item["name"]}``)."""',
        f"        {'i = ' if indexed else ''}_indexed(cls.TOPIC, {types(indexed)}, topics)",
    ]
    if data:
        lines.append(f"        t = decode({types(data)}, data)")
    lines.append(f"        return cls({', '.join(values)})")
    return "\n".join(lines)


def render_errors(errors: list[Abi]) -> str:
    lines = ["ERRORS: Final[dict[bytes, tuple[str, tuple[str, ...]]]] = {"]
    for item in errors:
        selector = keccak(signature(item).encode())[:4].hex()
        kinds = tuple(canonical(i) for i in item["inputs"])
        lines.append(f"    bytes.fromhex('{selector}'): ({item['name']!r}, {kinds!r}),")
    return "\n".join([*lines, "}"])


def render(abi: list[Abi]) -> str:
    """The whole module."""
    found, built = structs(abi)
    functions = [e for e in abi if e["type"] == "function"]
    events = [e for e in abi if e["type"] == "event"]
    errors = [*(e for e in abi if e["type"] == "error"), *BUILTIN_ERRORS]
    constructor = next(e for e in abi if e["type"] == "constructor")
    prelude, _, rest = PRELUDE.read_text().partition("# ---- structures ----\n")
    parts = [prelude]
    parts += [render_struct(name, components, built) for name, components in found.items()]
    parts += [
        "def constructor_args(params: Params) -> bytes:\n"
        '    """What follows the creation code in a deployment."""\n'
        f"    return encode({types(constructor['inputs'])}, [_plain(params)])"
    ]
    parts += [render_function(item, built) for item in functions]
    parts += [render_event(item, built) for item in events]
    parts += [f"Event = {' | '.join(e['name'] for e in events)}"]
    pairs = ", ".join(f"{e['name']}.TOPIC: {e['name']}" for e in events)
    parts += [f"EVENTS: Final[dict[Hash32, type[Event]]] = {{{pairs}}}"]
    parts += [render_errors(errors), rest]
    return "\n\n\n".join(parts)
