"""What a frozen application does before anything else.

The bootloader points LD_LIBRARY_PATH at the application's own folder. We have been loaded by then; programs
of the system that we start (a browser, a file manager, the chain's shell) must not get our libraries.
"""

import os

_theirs = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
if _theirs is not None:
    os.environ["LD_LIBRARY_PATH"] = _theirs
else:
    os.environ.pop("LD_LIBRARY_PATH", None)
# Of ourselves that we start as nodes, the bootloader would think that they have that path from us.
os.environ["PYINSTALLER_RESET_ENVIRONMENT"] = "1"
