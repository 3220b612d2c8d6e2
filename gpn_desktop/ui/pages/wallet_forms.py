"""What the wallet asks for: each as a form, with what it does and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QStandardPaths

from gpn_desktop.core.errors import GpnError, KeyUnusable
from gpn_desktop.core.types import hex0x, short
from gpn_desktop.ui import text
from gpn_desktop.ui.pages.base import PageContext
from gpn_desktop.ui.text import tr
from gpn_desktop.ui.widgets.form import Field, FormSpec, Values

if TYPE_CHECKING:
    from gpn_desktop.services.account import Funds
    from gpn_desktop.services.wallet import Wallet

ASKED = (3, 8)  # of the twelve words, counted from 0


@dataclass
class WalletForms:
    context: PageContext
    changed: Callable[[], None]

    @property
    def wallet(self) -> Wallet:
        wallet = self.context.desk.wallet
        assert wallet is not None
        return wallet

    # a new key, or one from elsewhere ----------------------------------------------------------------------

    async def create(self) -> FormSpec:
        words = await self.wallet.new_words()
        said = words.split()

        async def act(values: Values) -> str:
            for number in ASKED:
                if values[f"word{number}"].strip().lower() != said[number]:
                    raise KeyUnusable(
                        tr("Word {n} is another one.").format(n=number + 1),
                        remedy=tr("Compare it with what you wrote down."),
                    )
            address = await self.wallet.import_words(words, _passphrase(values))
            self.changed()
            return tr("Made: {address}. Keep the words where nobody else finds them.").format(
                address=short(address)
            )

        return FormSpec(
            tr("Write these twelve words down"),
            tr(
                "They are the key: whoever has them has the stake, and without them nobody can restore it. "
                "They are shown this once and kept nowhere."
            ),
            tr("I wrote them down"),
            tr("Storing the key"),
            (
                Field("words", tr("The words, in this order"), "block", _numbered(said)),
                *(Field(f"word{n}", tr("Word {n}, from your paper").format(n=n + 1)) for n in ASKED),
                *self._keystore_fields(),
            ),
            act,
        )

    def import_hex(self) -> FormSpec:
        async def act(values: Values) -> str:
            address = await self.wallet.import_hex(values["key"], _passphrase(values), _replacing(values))
            return self._taken(address)

        fields = (Field("key", tr("Private key, 64 hex digits"), "secret"),)
        return self._import(tr("Import a private key"), fields, act)

    def import_words(self) -> FormSpec:
        async def act(values: Values) -> str:
            address = await self.wallet.import_words(values["words"], _passphrase(values), _replacing(values))
            return self._taken(address)

        fields = (Field("words", tr("The words, in their order"), "block"),)
        return self._import(tr("Import backup words"), fields, act)

    def import_keystore(self) -> FormSpec:
        async def act(values: Values) -> str:
            address = await self.wallet.import_file(
                _path(values), values["secret"], _passphrase(values), _replacing(values)
            )
            return self._taken(address)

        fields = (
            Field("path", tr("Keystore file (version 3)")),
            Field("secret", tr("Its passphrase"), "secret"),
        )
        return self._import(tr("Import a keystore"), fields, act)

    def _import(self, title: str, fields: tuple[Field, ...], act: Callable[[Values], object]) -> FormSpec:
        state = self.wallet.state
        more: tuple[Field, ...] = ()
        if state.address is not None:
            name = tr("Type the present address to replace its key")
            more = (Field("replacing", name, hint=hex0x(state.address)),)
        words = tr("Only this machine sees it. The field is emptied afterwards.")
        return FormSpec(
            title, words, tr("Import"), tr("Checking and storing the key"),
            (*fields, *more, *self._keystore_fields()), act,  # type: ignore[arg-type]
            tone="warn" if more else "text",
        )  # fmt: skip

    def _taken(self, address: bytes) -> str:
        self.changed()
        return tr("Imported: {address}. It is used when the node starts the next time.").format(
            address=short(address)
        )

    def _keystore_fields(self) -> tuple[Field, ...]:
        """Where no keyring can be used, a passphrase protects a file."""
        if self.wallet.state.keyring:
            return ()
        hint = tr(
            "No system keyring can be used, so the key is kept in a file that this passphrase encrypts."
        )
        return (
            Field("new", tr("Passphrase, at least 8 characters"), "secret", hint=hint),
            Field("again", tr("The passphrase again"), "secret"),
        )

    # backups ------------------------------------------------------------------------------------------------

    def export(self) -> FormSpec:
        async def act(values: Values) -> str:
            path = _path(values)
            await self.wallet.export_keystore(path, _passphrase(values))
            self.changed()
            return tr("Written to {path}. It counts as a backup once a restore of it was tested.").format(
                path=path
            )

        folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
        address = self.wallet.state.address
        name = f"gpn-key-{address.hex()[:8]}.json" if address is not None else "gpn-key.json"
        return FormSpec(
            tr("Export an encrypted keystore"),
            tr("Other wallets read it too. Keep the file on another disk than this machine’s."),
            tr("Export"),
            tr("Encrypting"),
            (
                Field("path", tr("File"), value=str(Path(folder or Path.home()) / name)),
                Field("new", tr("Passphrase, at least 8 characters"), "secret"),
                Field("again", tr("The passphrase again"), "secret"),
            ),
            act,
        )

    def test_file(self) -> FormSpec:
        async def act(values: Values) -> str:
            await self.wallet.test_restore(_path(values), values["secret"])
            return self._tested()

        fields = (Field("path", tr("Keystore file")), Field("secret", tr("Its passphrase"), "secret"))
        return self._test(tr("Test a keystore backup"), fields, act)

    def test_words(self) -> FormSpec:
        async def act(values: Values) -> str:
            await self.wallet.test_words(values["words"])
            return self._tested()

        fields = (Field("words", tr("The words from your paper"), "block"),)
        return self._test(tr("Test backup words"), fields, act)

    def _test(self, title: str, fields: tuple[Field, ...], act: Callable[[Values], object]) -> FormSpec:
        words = tr("The key is restored in memory and compared with the one in use. Nothing is changed.")
        return FormSpec(title, words, tr("Test"), tr("Restoring"), fields, act)  # type: ignore[arg-type]

    def _tested(self) -> str:
        self.changed()
        return tr("The backup restores the key in use.")

    def unlock(self) -> FormSpec:
        async def act(values: Values) -> str:
            await self.wallet.unlock(values["secret"])
            self.changed()
            return tr("Unlocked, until it is locked or the program ends.")

        return FormSpec(tr("Unlock the wallet"), "", tr("Unlock"), tr("Decrypting"),
                        (Field("secret", tr("Passphrase"), "secret"),), act)  # fmt: skip

    # money --------------------------------------------------------------------------------------------------

    def send(self, funds: Funds) -> FormSpec:
        account = self.context.facade.account
        assert account is not None

        async def act(values: Values) -> str:
            from gpn_desktop.services.account import read_address, read_eth

            to = read_address(values["to"], unchecked=bool(values["unchecked"]))
            amount = funds.most if values["all"] else read_eth(values["amount"] or "0")
            await account.send(to, amount)
            self.changed()
            return tr("{eth} ETH were sent to {to}.").format(eth=text.eth_of_wei(amount), to=short(to))

        return FormSpec(
            tr("Send ETH from the node’s key"),
            tr("Up to {most} ETH can be sent; about {fee} ETH are kept for the fee.").format(
                most=text.eth_of_wei(funds.most), fee=text.eth_of_wei(funds.fee)
            ),
            tr("Send"),
            tr("The transaction is signed, sent and waits for its block"),
            (
                Field("to", tr("To")),
                Field(
                    "unchecked", tr("The address has no capitals and I compared it digit by digit"), "check"
                ),
                Field("amount", tr("Amount, ETH"), optional=True),
                Field("all", tr("Everything that can be sent"), "check"),
            ),
            act,
        )

    def payout(self) -> FormSpec:
        account = self.context.facade.account
        assert account is not None

        async def act(values: Values) -> str:
            from gpn_desktop.services.account import read_address

            to = read_address(values["to"], unchecked=bool(values["unchecked"]))
            await account.set_payout(to)
            self.changed()
            return tr("Rewards and stake leave to {to} from now on.").format(to=short(to))

        return FormSpec(
            tr("Change the payout address"),
            tr(
                "Rewards and stake can leave only to this address, and from then on only its own wallet can "
                "change it again. A cold wallet is the safest choice."
            ),
            tr("Change it"),
            tr("The transaction is signed, sent and waits for its block"),
            (
                Field("to", tr("New payout address")),
                Field(
                    "unchecked", tr("The address has no capitals and I compared it digit by digit"), "check"
                ),
            ),
            act,
            tone="warn",
        )


def _passphrase(values: Values) -> str:
    """The new passphrase, typed twice the same; "" where none was asked for."""
    if values.get("new", "") != values.get("again", ""):
        raise PassphrasesDiffer(tr("The two passphrases are not the same."))
    return values.get("new", "")


class PassphrasesDiffer(GpnError):
    code = "GPN-2004"
    remedy = "Type both again."


def _path(values: Values) -> Path:
    return Path(values["path"].strip()).expanduser()


def _replacing(values: Values) -> str:
    return values.get("replacing", "").strip()


def _numbered(words: list[str]) -> str:
    return "\n".join(
        "   ".join(f"{n + 1:>2} {words[n]:<9}" for n in range(row, min(row + 4, len(words))))
        for row in range(0, len(words), 4)
    )
