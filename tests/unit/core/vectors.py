"""The published test vectors of ``proto/vectors``: fixed inputs, and one way to compute what they must give.

``python -m tests.unit.core.vectors`` writes the files anew; the tests only ever compare.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gpn_desktop.core import eip712, selection
from gpn_desktop.core.types import (
    TESTING_DOMAIN,
    Address,
    Announcement,
    BatchVote,
    Canary,
    Cancel,
    Decline,
    Details,
    Domain,
    Gwei,
    Hash32,
    Request,
    Role,
    Seat,
    Snapshot,
    Vote,
    hex0x,
)

FOLDER = Path(__file__).parents[3] / "proto" / "vectors"

SECRETS = {name: eip712.keccak(f"gpn vector {name}".encode()) for name in ("alice", "bob", "carol")}
ALICE, BOB, CAROL = (eip712.address_of_secret(secret) for secret in SECRETS.values())
MAIN = Domain(chain_id=31337, contract=Address(bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3")))


def h(text: str) -> Hash32:
    return eip712.keccak(text.encode())


REQUEST = Request(
    consumer=CAROL,
    nonce=7,
    reward=Gwei(2_100_000),
    deadline=1_800_000_000,
    quorum=3,
    snapshot_id=2,
    payload_hash=h("payload"),
    details=Details(proving_timeout=60, image_digest=h("image"), anchor_block=1234, ref="order-66 ✓"),
)
MESSAGES: dict[str, eip712.Signable] = {
    "Request": REQUEST,
    "Announcement": Announcement(eip712.digest(REQUEST, MAIN), ALICE, 1, h("proof"), 806, h("seed")),
    "Vote": Vote(eip712.digest(REQUEST, MAIN), ALICE, h("proof"), 1, True),
    "VoteInvalid": Vote(eip712.digest(REQUEST, MAIN), ALICE, h("proof"), 1, False),
    "BatchVote": BatchVote((h("vote 1"), h("vote 2"))),
    "Decline": Decline(eip712.digest(REQUEST, MAIN), ALICE),
    "Cancel": Cancel(eip712.digest(REQUEST, MAIN)),
    "Canary": Canary(eip712.digest(REQUEST, MAIN), ALICE),
}


def eip712_vectors() -> dict[str, Any]:
    def entry(message: eip712.Signable, domain: Domain) -> dict[str, str]:
        digest = eip712.digest(message, domain)
        return {
            "structHash": hex0x(eip712.struct_hash(message)),
            "digest": hex0x(digest),
            "signatureByAlice": hex0x(eip712.sign_digest(digest, SECRETS["alice"])),
        }

    return {
        "keys": {name: hex0x(secret) for name, secret in SECRETS.items()},
        "addresses": {"alice": hex0x(ALICE), "bob": hex0x(BOB), "carol": hex0x(CAROL)},
        "domains": {
            name: {
                "name": d.name,
                "version": d.version,
                "chainId": d.chain_id,
                "verifyingContract": hex0x(d.contract),
                "separator": hex0x(eip712.domain_separator(d)),
            }
            for name, d in (("main", MAIN), ("testing", TESTING_DOMAIN))
        },
        "request": {
            "consumer": hex0x(REQUEST.consumer),
            "nonce": REQUEST.nonce,
            "rewardGwei": REQUEST.reward,
            "deadline": REQUEST.deadline,
            "quorum": REQUEST.quorum,
            "snapshotId": REQUEST.snapshot_id,
            "payloadHash": hex0x(REQUEST.payload_hash),
            "detailsHash": hex0x(eip712.details_hash(REQUEST.details)),
        },
        "main": {name: entry(message, MAIN) for name, message in MESSAGES.items()},
        "testing": {name: entry(message, TESTING_DOMAIN) for name, message in MESSAGES.items()},
    }


def snapshot(size: int, weights: tuple[int, ...] = (1, 2, 5, 16)) -> Snapshot:
    seats = tuple(
        Seat(
            address=eip712.address_of_secret(h(f"seat {n}")),
            member_id=n,
            roles=Role.VERIFY if n % 7 == 6 else Role.PROVE | Role.VERIFY,
            weight=weights[n % len(weights)],
        )
        for n in range(size)
    )
    return Snapshot(consumer=CAROL, snapshot_id=1, image_digest=h("image"), seats=seats)


def selection_vectors() -> list[dict[str, Any]]:
    cases = []
    for size, beacon in ((2, b""), (5, b""), (8, h("beacon")), (32, h("beacon"))):
        committee = snapshot(size)
        request_id = h(f"request {size}")
        seed = selection.selection_seed(MAIN, CAROL, h("latest proof"), request_id, beacon)
        cases.append(
            {
                "chainId": MAIN.chain_id,
                "contract": hex0x(MAIN.contract),
                "consumer": hex0x(CAROL),
                "latestProofHash": hex0x(h("latest proof")),
                "requestId": hex0x(request_id),
                "beacon": hex0x(beacon),
                "seats": [
                    {"address": hex0x(s.address), "roles": int(s.roles), "weight": s.weight}
                    for s in committee.seats
                ],
                "seed": hex0x(seed),
                "ranking": [hex0x(a) for a in selection.ranking(seed, committee)],
            }
        )
    return cases


FILES = {"eip712.json": eip712_vectors, "selection.json": selection_vectors}

if __name__ == "__main__":
    for filename, compute in FILES.items():
        (FOLDER / filename).write_text(json.dumps(compute(), indent=2) + "\n")
