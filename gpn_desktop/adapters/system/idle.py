"""Since when nobody has touched keyboard or mouse, by what each system offers without a library of its own.

Under Wayland only GNOME tells (Mutter's IdleMonitor); X11's screen saver extension sees there what goes to
XWayland alone, and is not asked. Where nothing tells, the answer is None.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sys
from collections.abc import Callable, Mapping
from typing import Final

Probe = Callable[[], float | None]

_ANY_INPUT: Final = 0xFFFFFFFF  # kCGAnyInputEventType
_COMBINED_SESSION: Final = 0  # kCGEventSourceStateCombinedSessionState
_BUS_SECONDS: Final = 1.0


def probe(platform: str = sys.platform, env: Mapping[str, str] = os.environ) -> Probe:
    """What asks this system. It may take a second, and is for a thread of its own."""
    if platform == "win32":
        return _windows
    if platform == "darwin":
        return _macos
    if env.get("WAYLAND_DISPLAY"):
        return _mutter
    if env.get("DISPLAY"):
        return lambda: _x11(env["DISPLAY"])
    return _nothing


def _nothing() -> None:
    return None


class _ScreenSaverInfo(ctypes.Structure):
    _fields_ = (
        ("window", ctypes.c_ulong),
        ("state", ctypes.c_int),
        ("kind", ctypes.c_int),
        ("til_or_since", ctypes.c_ulong),
        ("idle", ctypes.c_ulong),  # milliseconds
        ("event_mask", ctypes.c_ulong),
    )


def _x11(display: str) -> float | None:
    """One connection for each question: a kept one would end the process when the X server goes."""
    names = ctypes.util.find_library("X11"), ctypes.util.find_library("Xss")
    if not all(names):
        return None
    try:
        x11, xss = ctypes.CDLL(names[0]), ctypes.CDLL(names[1])
        x11.XOpenDisplay.restype = ctypes.c_void_p
        x11.XDefaultRootWindow.restype = ctypes.c_ulong
        xss.XScreenSaverAllocInfo.restype = ctypes.POINTER(_ScreenSaverInfo)
    except (OSError, AttributeError):
        return None
    opened = x11.XOpenDisplay(display.encode())
    if not opened:
        return None
    connection = ctypes.c_void_p(opened)
    try:
        first, error = ctypes.c_int(), ctypes.c_int()
        if not xss.XScreenSaverQueryExtension(connection, ctypes.byref(first), ctypes.byref(error)):
            return None
        info = xss.XScreenSaverAllocInfo()
        root = ctypes.c_ulong(x11.XDefaultRootWindow(connection))
        told = xss.XScreenSaverQueryInfo(connection, root, info)
        idle = info.contents.idle / 1000 if told else None
        x11.XFree(info)
        return idle
    finally:
        x11.XCloseDisplay(connection)


def _mutter() -> float | None:
    try:
        from jeepney import DBusAddress, new_method_call  # type: ignore[import-untyped]
        from jeepney.io.blocking import open_dbus_connection  # type: ignore[import-untyped]
        from jeepney.wrappers import DBusErrorResponse, unwrap_msg  # type: ignore[import-untyped]
    except ImportError:  # it comes with the system keyring's support on Linux
        return None
    address = DBusAddress(
        "/org/gnome/Mutter/IdleMonitor/Core", "org.gnome.Mutter.IdleMonitor", "org.gnome.Mutter.IdleMonitor"
    )
    try:
        with open_dbus_connection(bus="SESSION") as bus:
            reply = bus.send_and_get_reply(new_method_call(address, "GetIdletime"), timeout=_BUS_SECONDS)
            return float(unwrap_msg(reply)[0]) / 1000
    except (OSError, KeyError, ValueError, DBusErrorResponse):  # KeyError: there is no session bus
        return None


def _macos() -> float | None:
    name = ctypes.util.find_library("ApplicationServices")
    try:
        ask = ctypes.CDLL(name).CGEventSourceSecondsSinceLastEventType
    except (OSError, AttributeError):
        return None
    ask.restype = ctypes.c_double
    ask.argtypes = (ctypes.c_int, ctypes.c_uint32)
    return float(ask(_COMBINED_SESSION, _ANY_INPUT))


class _LastInput(ctypes.Structure):
    _fields_ = (("size", ctypes.c_uint), ("tick", ctypes.c_uint))


def _windows() -> float | None:
    try:
        user, kernel = ctypes.CDLL("user32"), ctypes.CDLL("kernel32")
        info = _LastInput(ctypes.sizeof(_LastInput), 0)
        if not user.GetLastInputInfo(ctypes.byref(info)):
            return None
        # Both count milliseconds in 32 bits and start again at 0 after 49 days.
        return float((kernel.GetTickCount() - info.tick) & 0xFFFFFFFF) / 1000
    except (OSError, AttributeError):
        return None
