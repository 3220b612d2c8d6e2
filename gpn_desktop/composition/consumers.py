"""``gpn-desktop consumer``: registering, paying in, leaving, and how the account stands."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gpn_desktop import config_values as values
from gpn_desktop.adapters.chain.calldata import value_of
from gpn_desktop.adapters.chain.evm import EvmChain
from gpn_desktop.adapters.chain.quotes import newest_block, quote_call
from gpn_desktop.adapters.sqlite import MemoryStore, SqliteStore
from gpn_desktop.composition.asking import confirm, costs, lasting, say, show, when
from gpn_desktop.composition.parts import chain_options
from gpn_desktop.composition.sites import (
    Site,
    find_site,
    gwei_amount,
    image,
    key_of,
    nonce_book,
    open_journal,
    option,
)
from gpn_desktop.core.errors import BadOption, StoreLocked
from gpn_desktop.core.request import NONCE_WINDOW
from gpn_desktop.core.types import Wei, hex0x, to_wei
from gpn_desktop.ports.chain import TxRecord
from gpn_desktop.ports.secrets import NodeKey
from gpn_desktop.services import consumer_account as commands
from gpn_desktop.services.consumer_account import ConsumerAccount, Status, call_of
from gpn_desktop.services.errand import Errand, Errands
from gpn_desktop.services.funds import check_funds, in_eth

Terms = Mapping[str, str]

NO_TIME = 0
_WHAT = {
    commands.REGISTER: "Register {consumer} as a consumer of {image}, with a deposit of {eth} ETH",
    commands.DEPOSIT: "Pay {eth} ETH into the balance of {consumer}",
    commands.BEGIN_EXIT: "Begin to leave: nothing new is proved for this consumer from now on",
    commands.WITHDRAW: "Withdraw the whole balance and leave",
    commands.RETIRE: "Give up all nonces below {below}: signed requests below it will not be paid for",
    commands.SET_IMAGE: "Change the image to {image}: every member must commit anew",
    commands.SNAPSHOT: "Take a committee snapshot of the members that have committed",
    commands.PARDON: "Lift the suspension of {member}",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """A command to send with its terms; without one, there is only something to say."""

    command: str
    terms: Terms
    notice: str = ""
    due: int = NO_TIME


async def run_consumer(args: argparse.Namespace) -> int:
    asked = _asked(args)
    site = await find_site(args)
    key = await key_of(args)
    if args.action == "status":
        return await _status(args, site, key)
    async with open_journal(_journal_path(site, key)) as store, _account(site, key, store) as account:
        ended = await account.finish()
        if ended is not None and _is_same(args.action, asked, ended[0]):
            say("An earlier run of this command had sent it. Nothing new was sent.")
            return _report(args, ended[0].command, ended[1], resumed=True)
        if ended is not None:
            say(f"An earlier command was cut off and is done now: {ended[0]}.")
        plan = await _plan(args.action, asked, account, key)
        if not plan.command:
            say(plan.notice)
            show({"command": args.action, "sent": False, "due": plan.due}, {}, args.json)
            return 0
        await _agree(args, site, key, plan)
        say("Sending. If this is cut off, the same command sees to its end.")
        record = await account.run(plan.command, plan.terms)
        code = _report(args, plan.command, record, resumed=False)
        await _explain(plan.command, account)
        return code


async def _status(args: argparse.Namespace, site: Site, key: NodeKey) -> int:
    """Without waiting for anything: neither for a transaction nor for another command."""
    try:
        if await asyncio.to_thread(_journal_path(site, key).exists):
            async with open_journal(_journal_path(site, key)) as store:
                await _tell_unfinished(Errands(store))
    except StoreLocked:
        say("Another command with this key is under way.")
    memory = MemoryStore()
    await memory.open()
    async with _account(site, key, memory) as account:
        return _show_status(args, site, await account.status())


async def _tell_unfinished(errands: Errands) -> None:
    errand = await errands.unfinished()
    record = await errands.sent(errand) if errand is not None else None
    if record is not None:
        say(
            f"A command was cut off: {errand}, transaction {hex0x(record.hash)}. The next command sees to "
            "its end."
        )


def _journal_path(site: Site, key: NodeKey) -> Path:
    name = f"{site.chain_id}-{site.domain.contract.hex()}-{key.address.hex()}"
    return site.config.consumers_path / name / "journal.db"


@asynccontextmanager
async def _account(
    site: Site, key: NodeKey, store: SqliteStore | MemoryStore
) -> AsyncIterator[ConsumerAccount]:
    options, contract = chain_options(site.config), site.domain.contract
    chain = EvmChain(site.config.ethereum_api, contract, site.chain_id, key, store, options)
    try:
        await chain.start(await newest_block(site.config.ethereum_api))
        yield ConsumerAccount(chain, key.address, Errands(store), nonce_book(site))
    finally:
        await chain.aclose()


def _asked(args: argparse.Namespace) -> dict[str, str]:
    """What the options fix of the command's terms; whatever is wrong with them is found before any I/O."""
    given = vars(args)
    asked: dict[str, str] = {}
    if given.get("image") is not None:
        name, digest = option("image", image, args.image)
        asked |= {"image": name, "digest": hex0x(digest)}
    if given.get("amount") is not None:
        asked["wei"] = str(option(args.amount_option, gwei_amount, args.amount))
    if given.get("below") is not None:
        asked["below"] = str(option("below", values.integer(1, 2**64 - 257), args.below))
    for name in ("member", "consumer"):
        if given.get(name) is not None:
            asked[name] = hex0x(option(name, values.address, given[name]))
    return asked


def _is_same(action: str, asked: Terms, errand: Errand) -> bool:
    """Whether a command that was cut off is the one that is asked for now."""
    kind = commands.BEGIN_EXIT if errand.command == commands.WITHDRAW else errand.command
    return kind == action and asked.items() <= dict(errand.terms).items()


async def _plan(action: str, asked: Terms, account: ConsumerAccount, key: NodeKey) -> Plan:
    match action:
        case commands.REGISTER:
            return Plan(action, asked)
        case commands.DEPOSIT:
            return Plan(action, {"consumer": hex0x(key.address), **asked})
        case commands.BEGIN_EXIT:
            return await _plan_exit(account)
        case commands.RETIRE:
            return await _plan_retirement(asked, account)
    await account.registered()
    return Plan(action, asked)


async def _plan_exit(account: ConsumerAccount) -> Plan:
    info, now = await account.registered(), await account.now()
    if not info.exit_at:
        return Plan(commands.BEGIN_EXIT, {})
    if now >= info.exit_at:
        return Plan(commands.WITHDRAW, {})
    left = lasting(info.exit_at - now)
    notice = (
        f"Leaving since earlier. The balance of {in_eth(to_wei(info.balance))} ETH can be withdrawn by the "
        f"same command from {when(info.exit_at)} on, in {left}."
    )
    return Plan("", {}, notice, info.exit_at)


async def _plan_retirement(asked: Terms, account: ConsumerAccount) -> Plan:
    info, now = await account.registered(), await account.now()
    default = info.pending_nonce_base or info.nonce_base + NONCE_WINDOW
    below = int(asked.get("below", default))
    if below <= info.nonce_base:
        raise BadOption(f"--below: the first nonce of the window is {info.nonce_base} already.")
    if below == info.pending_nonce_base and now <= info.pending_nonce_at:
        notice = (
            f"Announced. The same command makes it so after {when(info.pending_nonce_at)}, "
            f"in {lasting(info.pending_nonce_at - now + 1)}."
        )
        return Plan("", {}, notice, info.pending_nonce_at)
    return Plan(commands.RETIRE, {"below": str(below)})


async def _agree(args: argparse.Namespace, site: Site, key: NodeKey, plan: Plan) -> None:
    """Say what it does and costs, see that the money is there, and ask."""
    call = call_of(plan.command, plan.terms, key.address)
    value = Wei(value_of(call))
    fees = chain_options(site.config).policy.fees
    quote = await quote_call(site.config.ethereum_api, key.address, site.domain.contract, call, fees)
    check_funds(quote, value)
    words = {"consumer": hex0x(key.address), "eth": in_eth(value), **plan.terms}
    say(f"{_WHAT[plan.command].format(**words)}, on chain {site.chain_id}.")
    say(f"It costs {costs(quote)}, from {hex0x(key.address)}, which has {in_eth(quote.balance)} ETH.")
    await confirm(args.yes)


async def _explain(command: str, account: ConsumerAccount) -> None:
    """What comes next, where something does."""
    if command not in (commands.BEGIN_EXIT, commands.RETIRE, commands.REGISTER, commands.SET_IMAGE):
        return
    info = await account.registered()
    if command == commands.BEGIN_EXIT:
        say(f"The same command withdraws the balance from {when(info.exit_at)} on.")
    elif command == commands.RETIRE and info.pending_nonce_base:
        say(f"Announced. The same command makes it so after {when(info.pending_nonce_at)}.")
    elif command in (commands.REGISTER, commands.SET_IMAGE):
        say("Once members have committed, `gpn-desktop consumer snapshot` seats them.")


def _report(args: argparse.Namespace, command: str, record: TxRecord, resumed: bool) -> int:
    result = {
        "command": command,
        "sent": not resumed,
        "resumed": resumed,
        "tx": hex0x(record.hash),
        "block": record.block,
        "gasUsed": record.gas_used,
        "feeWei": str(record.fee),
    }
    lines = {
        command: f"done in block {record.block}",
        "transaction": hex0x(record.hash),
        "fee": f"{in_eth(record.fee)} ETH for {record.gas_used:,} gas",
    }
    show(result, lines, args.json)
    return 0


def _show_status(args: argparse.Namespace, site: Site, status: Status) -> int:
    info = status.info
    result = {
        "consumer": hex0x(info.address),
        "chainId": site.chain_id,
        "contract": hex0x(site.domain.contract),
        "image": f"{info.image_name}@sha256:{info.image_digest.hex()}",
        "balanceGwei": info.balance,
        "exposureGwei": status.exposure,
        "openRequests": status.open_requests,
        "accountWei": str(status.account),
        "nonceBase": info.nonce_base,
        "noncesUsed": status.used,
        "noncesSigned": status.signed,
        "noncesFree": status.free,
        "pendingNonceBase": info.pending_nonce_base,
        "pendingNonceAt": info.pending_nonce_at,
        "snapshot": info.snapshot_id,
        "seats": status.seats,
        "members": [
            {
                "address": hex0x(m.prover),
                "roles": int(m.roles),
                "expiresAt": m.expires_at,
                "eligible": m.eligible,
            }
            for m in status.members
        ],
        "exitAt": info.exit_at,
    }
    show(result, _status_lines(site, status), args.json)
    return 0


def _status_lines(site: Site, status: Status) -> dict[str, str]:
    info = status.info
    exposure = in_eth(to_wei(status.exposure))
    seated = f"number {info.snapshot_id} with {status.seats} seats" if info.snapshot_id else "none in force"
    lines = {
        "consumer": f"{hex0x(info.address)} on chain {site.chain_id}, contract {hex0x(site.domain.contract)}",
        "image": f"{info.image_name}@sha256:{info.image_digest.hex()}",
        "balance": f"{in_eth(to_wei(info.balance))} ETH",
        "not settled": f"{status.open_requests} requests signed here, of {exposure} ETH together",
        "account": f"{in_eth(status.account)} ETH for gas",
        "nonces": f"{status.free} of {NONCE_WINDOW} free from {info.nonce_base} on; {status.used} used, "
        f"{status.signed} signed here",
        "snapshot": seated,
        "members": f"{sum(m.eligible for m in status.members)} eligible of {len(status.members)} committed",
    }
    if info.pending_nonce_base:
        lines["retiring nonces"] = f"below {info.pending_nonce_base}, after {when(info.pending_nonce_at)}"
    if info.exit_at:
        state = "withdrawal is possible" if status.now >= info.exit_at else "leaving"
        lines["exit"] = f"{state} from {when(info.exit_at)} on"
    for member in status.members:
        fit = "eligible" if member.eligible else "not eligible"
        lines[f"  {hex0x(member.prover)}"] = f"{fit}, committed until {when(member.expires_at)}"
    return lines
