"""The options of the commands that use a chain without being a node. Values are read where they are used.

Light by itself: --help should not wait for the chain's libraries.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, slots=True)
class Term:
    name: str
    default: str
    unit: str
    purpose: str

    @property
    def dest(self) -> str:
        return self.name.replace("-", "_")


TERMS: Final = (
    Term("window", "24h", "TIME", "how long a settlement can be contested before it pays"),
    Term("settle-grace", "2d", "TIME", "how long after its deadline a request can be settled"),
    Term("max-lifetime", "1d", "TIME", "longest time from a request to its deadline"),
    Term("unbond", "5d", "TIME", "how long operators and consumers take to leave"),
    Term("settle-delay", "10m", "TIME", "after which any member may settle, for a tip"),
    Term("min-stake-eth", "0.5", "ETH", "least stake of an operator"),
    Term("min-reward-gwei", "1000", "GWEI", "least reward of a request"),
    Term("tip-gwei", "500", "GWEI", "of a member that settles in the prover's place"),
    Term("prover-percent", "60", "%", "of a reward, the prover's"),
    Term("inclusion-percent", "20", "%", "of a reward, the prover's in proportion to the votes counted"),
    Term("verifier-percent", "20", "%", "of a reward, the verifiers'"),
)


def add_site(parser: argparse.ArgumentParser, contract: bool = True) -> None:
    parser.add_argument("--ethereum-api", metavar="URL", help="the chain's endpoint (default: ETHEREUM_API)")
    parser.add_argument("--chain-id", metavar="N", help="refuse an endpoint of any other chain")
    if contract:
        parser.add_argument(
            "--contract-address",
            metavar="0x…",
            help="the settlement contract (default: CONTRACT_ADDRESS, else the chain's newest known one)",
        )
    parser.add_argument("--data-dir", metavar="FOLDER", help="where contracts and signed nonces are kept")


def add_key(parser: argparse.ArgumentParser, whose: str) -> None:
    parser.add_argument(
        "--key-file", required=True, type=Path, help=f"{whose}: a v3 keystore, or 64 hex digits"
    )


def add_image(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    name = "HOST/NAME, with :TAG or @sha256:DIGEST"
    for action, text in (
        ("pull", "get an image onto this machine, by the digest that its name stands for now"),
        ("remove", "remove an image"),
        ("list", "the images that this node has pulled"),
        ("prune", "remove all images that this node has pulled"),
    ):
        one = actions.add_parser(action, help=text)
        if action in ("pull", "remove"):
            one.add_argument("image", help=name)
        _add_json(one)
    trial = actions.add_parser("try", help="run an image on its sample: what it takes, and go or no-go")
    trial.add_argument("image", help=name)
    trial.add_argument("--runs", type=int, default=5, help="how many proofs (default 5)")
    trial.add_argument("--data", type=Path, metavar="FILE", help="the input (default: the image's sample)")
    trial.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS",
                       help="a consumer's time for one turn (default 60)")  # fmt: skip
    trial.add_argument("--reward", type=int, metavar="GWEI", help="a consumer's reward for a proof")
    trial.add_argument("--gas-gwei", default="1", metavar="GWEI", help="price of gas (default 1)")
    trial.add_argument("--committee", type=int, default=5, metavar="N", help="members (default 5)")
    trial.add_argument(
        "--batch", type=int, default=1, metavar="N", help="requests to a settlement (default 1)"
    )
    _add_json(trial)
    new = actions.add_parser("new", help="for authors: a folder with a prover image to begin with")
    new.add_argument("image", metavar="DIR", help="a folder that does not exist yet")
    _add_json(new)
    check = actions.add_parser("check", help="for authors: does an image keep to the prover image API?")
    check.add_argument("image", metavar="DIR|REF", help=f"a folder with a Dockerfile, or {name}")
    check.add_argument("--data", type=Path, metavar="FILE", help="the input (default: the image's sample)")
    check.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE", help="for the build")
    _add_json(check)


def add_cluster(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    actions.add_parser("init", help="make the certificates of this operator's machines")
    code = actions.add_parser("join-code", help="a code that lets one worker join")
    code.add_argument("--address", metavar="HOST", help="how the worker reaches this machine")


def add_contracts(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    deploy = actions.add_parser("deploy", help="put a new contract on a chain")
    add_site(deploy, contract=False)
    add_key(deploy, "the deployer's key")
    _add_spending(deploy)
    add_terms(deploy)
    for name, text in (
        ("verify", "is the code at the address the one that this program knows?"),
        ("info", "terms and totals of a contract"),
    ):
        action = actions.add_parser(name, help=text)
        add_site(action)
        _add_json(action)


def add_consumer(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="action", required=True)
    register = _account_action(actions, "register", "become a consumer")
    register.add_argument("--image", required=True, metavar="NAME@sha256:DIGEST", help="its prover image")
    register.add_argument("--deposit", required=True, dest="amount", metavar="ETH")
    register.set_defaults(amount_option="deposit")
    deposit = _account_action(actions, "deposit", "add to the balance")
    deposit.add_argument("--amount", required=True, metavar="ETH")
    deposit.add_argument("--consumer", metavar="0x…", help="whose balance (default: the key's own)")
    deposit.set_defaults(amount_option="amount")
    _account_action(actions, "exit", "begin to leave; when the time has come, withdraw the balance")
    retire = _account_action(actions, "retire-nonces", "give up nonces of lost or expired requests")
    retire.add_argument("--below", metavar="NONCE", help="all below it (default: the whole window)")
    change = _account_action(actions, "set-image", "change the prover image")
    change.add_argument("--image", required=True, metavar="NAME@sha256:DIGEST")
    _account_action(actions, "snapshot", "seat the members that have committed")
    pardon = _account_action(actions, "pardon", "lift a member's suspension")
    pardon.add_argument("--member", required=True, metavar="0x…")
    status = actions.add_parser("status", help="balance, nonces, committee, exit")
    add_site(status)
    add_key(status, "the consumer's key")
    _add_json(status)


def _account_action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    action = actions.add_parser(name, help=text)
    add_site(action)
    add_key(action, "the consumer's key")
    _add_spending(action)
    return action


def _add_spending(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask before money is spent")
    parser.add_argument("--max-fee-gwei", metavar="GWEI", help="send nothing while gas costs more")
    _add_json(parser)


def add_doctor(parser: argparse.ArgumentParser) -> None:
    # Suppressed, so that the same option before the command is not undone.
    parser.add_argument(
        "--config", type=Path, default=argparse.SUPPRESS, help="a TOML file with the node's settings"
    )
    _add_json(parser)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the result as one JSON object")


def add_terms(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("terms", "fixed for ever by the deployment")
    for term in TERMS:
        text = f"{term.purpose} (default {term.default})".replace("%", "%%")
        group.add_argument(f"--{term.name}", metavar=term.unit, default=term.default, help=text)


def add_simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--nodes", type=int, default=100, help="4 to 10,000 (default 100)")
    parser.add_argument("--requests", type=int, default=100, help="1 to 100,000 (default 100)")
    parser.add_argument("--faults", default="all", metavar="NAMES",
                        help="all (default), none, or names with commas between them")  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="decides everything (default 1)")
    parser.add_argument(
        "--plan", type=Path, metavar="FILE", help="run a plan that was kept, instead of a drawn one"
    )
    parser.add_argument(
        "--shrink", type=Path, metavar="FILE", help="keep the smallest plan that fails like this one"
    )
    parser.add_argument(
        "--fairness", action="store_true", help="instead: who gets how much work, and who can cheat"
    )
    parser.add_argument("--draws", type=int, default=10_000, help="of the fairness report (default 10,000)")
    _add_json(parser)
