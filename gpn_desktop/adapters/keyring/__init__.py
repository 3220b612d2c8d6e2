"""Where a node key can live: the system's keyring, an encrypted file, a raw file, a pipe, or memory alone.

No key and no passphrase ever stands in a repr, a log line, an error or an exception's cause.
"""

from gpn_desktop.adapters.keyring.files import KeyFileSecrets, KeystoreSecrets, Passphrase
from gpn_desktop.adapters.keyring.forms import SystemKeyForms
from gpn_desktop.adapters.keyring.keys import key_from_hex, new_key
from gpn_desktop.adapters.keyring.memory import MemorySecrets, PipeSecrets
from gpn_desktop.adapters.keyring.system import KeyringSecrets

__all__ = [
    "KeyFileSecrets",
    "KeyringSecrets",
    "KeystoreSecrets",
    "MemorySecrets",
    "Passphrase",
    "PipeSecrets",
    "SystemKeyForms",
    "key_from_hex",
    "new_key",
]
