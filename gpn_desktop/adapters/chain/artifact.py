"""The committed artifact of the settlement contract: what is deployed, and what then stands on the chain."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gpn_desktop.adapters.chain import bindings
from gpn_desktop.adapters.chain.bindings import constructor_args
from gpn_desktop.core import jsontext
from gpn_desktop.core.errors import ArtifactDamaged
from gpn_desktop.ports.chain import ContractParams

SETTLEMENT: Final = "GpnSettlement"
REGISTRY: Final = "GpnRegistry"


@dataclass(frozen=True, slots=True)
class Runtime:
    """A contract's code on chain. ``immutables``: start and length of what each deployment has of its own."""

    code: bytes
    immutables: tuple[tuple[int, int], ...]

    def differs_at(self, code: bytes) -> int | None:
        """The first byte in which a code differs from this one, but for the immutables; None if none does."""
        mine, other = self.masked(self.code), self.masked(code)
        if mine == other:
            return None
        pairs = enumerate(zip(mine, other, strict=False))
        return next((at for at, (a, b) in pairs if a != b), min(len(mine), len(other)))

    def masked(self, code: bytes) -> bytes:
        out = bytearray(code)
        for start, length in self.immutables:
            out[start : start + length] = bytes(max(0, min(length, len(code) - start)))
        return bytes(out)

    def words(self, code: bytes) -> list[bytes]:
        """The immutables' values in a code of the same form."""
        return [code[start : start + length] for start, length in self.immutables]


@dataclass(frozen=True, slots=True)
class Artifact:
    """``source_hash`` covers sources, settings and compiler."""

    source_hash: str
    compiler: str
    creation: bytes
    runtime: dict[str, Runtime]

    def creation_code(self, terms: ContractParams) -> bytes:
        """What a deployment with these terms sends."""
        return self.creation + constructor_args(to_bindings(terms))


def load_artifact(path: Path) -> Artifact:
    """Raises ArtifactDamaged when the file is missing, or is no such artifact."""
    try:
        raw: dict[str, Any] = jsontext.parse(path.read_bytes())
        runtime = {name: _runtime(raw["runtime"][name]) for name in (SETTLEMENT, REGISTRY)}
        creation = bytes.fromhex(raw["bytecode"].removeprefix("0x"))
        return Artifact(str(raw["sourceHash"]), str(raw["compiler"]), creation, runtime)
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise ArtifactDamaged(f"The contract's artifact {path.name} is missing or damaged.") from error


def _runtime(raw: dict[str, Any]) -> Runtime:
    places = tuple((int(start), int(length)) for start, length in raw["immutables"])
    return Runtime(bytes.fromhex(raw["code"].removeprefix("0x")), places)


def to_bindings(terms: ContractParams) -> bindings.Params:
    """The constructor's form of the terms."""
    return bindings.Params(
        window=terms.window,
        settle_grace=terms.settle_grace,
        max_lifetime=terms.max_lifetime,
        unbond=terms.unbond,
        settle_delay=terms.settle_delay,
        min_stake=terms.min_stake,
        min_reward_gwei=terms.min_reward,
        tip_gwei=terms.tip,
        prover_bps=terms.prover_bps,
        inclusion_bps=terms.inclusion_bps,
        verifier_bps=terms.verifier_bps,
    )
