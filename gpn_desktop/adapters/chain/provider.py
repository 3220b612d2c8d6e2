"""web3's WebSocket provider, woken by answers in place of spinning for them.

web3 8.0.0 waits for an answer by looking into its cache on every turn of the event loop, which keeps a whole
core busy while a request is open: in the window's process that is the thread that draws. It also stops
reading when 500 pushes lie unread, and then no answer arrives either. Here the listener wakes exactly the
request that was answered, a lost connection wakes all of them, and of the pushes only the newest is kept.

anvil leaves Nagle's algorithm on, so its push of a new head waits for our acknowledgement of the answer
before it, which the kernel delays by 40 ms; asking for quick acknowledgements took a push from 45 ms to 3 ms.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final
from urllib.parse import urlsplit

from web3 import WebSocketProvider
from web3.exceptions import ProviderConnectionError, TimeExhausted
from web3.providers.persistent.request_processor import RequestProcessor
from web3.types import RPCEndpoint, RPCId, RPCRequest, RPCResponse

from gpn_desktop.core import jsontext

MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
_QUICK_ACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)  # Linux only


class _WakingProcessor(RequestProcessor):
    """Hands each answer to the request that waits for it, and tells of pushes."""

    def __init__(self, provider: WebSocketProvider) -> None:
        super().__init__(provider)
        self.waiting: dict[Any, asyncio.Future[RPCResponse]] = {}
        self.push: Any = None
        self.pushed = asyncio.Event()

    async def cache_raw_response(self, raw_response: Any, subscription: bool = False) -> None:
        if subscription:
            params = raw_response.get("params")
            self.push = params.get("result") if isinstance(params, dict) else None
            self.pushed.set()
            return
        # An answer that nobody waits for came after its time limit and is dropped.
        waiter = self.waiting.get(raw_response.get("id")) if isinstance(raw_response, dict) else None
        if waiter is not None and not waiter.done():
            waiter.set_result(raw_response)


class WakingWebSocketProvider(WebSocketProvider):
    """One connection to a chain node. It is never connected again: make a new one."""

    def __init__(self, url: str, request_timeout: float) -> None:
        options: dict[str, Any] = {}
        if urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost"):
            options["proxy"] = None  # a proxy of the environment leads away from this machine
        super().__init__(
            url,
            websocket_kwargs={
                **options,
                "max_size": MAX_MESSAGE_BYTES,
                "open_timeout": request_timeout,
                "ping_interval": 20,
                "ping_timeout": 20,
                "close_timeout": 1,
            },
            request_timeout=request_timeout,
            max_connection_retries=1,
        )
        self._waking = _WakingProcessor(self)
        self._request_processor = self._waking
        self._lost = False

    async def next_push(self) -> Any:
        """The newest push since the last call; waits for one.

        Raises:
            ProviderConnectionError: the connection is lost.
        """
        await self._waking.pushed.wait()
        self._waking.pushed.clear()
        if self._lost:
            self._waking.pushed.set()
            raise ProviderConnectionError("The connection was lost.")
        return self._waking.push

    async def socket_send(self, request_data: bytes) -> None:
        # Not by wait_for, as web3 does it: on Python 3.11 that swallows a cancellation now and then.
        if self._ws is None:
            raise ProviderConnectionError("The connection was never made.")
        async with asyncio.timeout(self.request_timeout):
            await self._ws.send(request_data)

    async def socket_recv(self) -> RPCResponse:
        if self._ws is None:
            raise ProviderConnectionError("The connection was never made.")
        tcp = self._ws.transport.get_extra_info("socket")
        if _QUICK_ACK is not None and tcp is not None:
            tcp.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)  # the kernel forgets it now and then
        try:
            answer = jsontext.parse(await self._ws.recv())
        except ValueError as error:
            raise ProviderConnectionError("The chain node does not speak JSON.") from error
        nothing: RPCResponse = {}
        return answer if isinstance(answer, dict) else nothing  # type: ignore[return-value]  # checked where used

    async def send_request(self, method: RPCEndpoint, params: Any) -> RPCRequest:
        if self._lost:
            raise ProviderConnectionError("The connection was lost.")
        request = self.form_request(method, params)
        self._waking.waiting[request["id"]] = asyncio.get_running_loop().create_future()
        try:
            await self.socket_send(self.encode_rpc_dict(request))
        except BaseException:
            self._waking.waiting.pop(request["id"], None)
            raise
        return request

    async def _get_response_for_request_id(
        self,
        request_id: RPCId | list[RPCId],
        timeout: float | None = None,  # noqa: ASYNC109  # web3's signature
    ) -> RPCResponse:
        waiter = self._waking.waiting.get(request_id)
        if waiter is None:
            raise ProviderConnectionError("The connection was lost before the answer came.")
        try:
            async with asyncio.timeout(timeout or self.request_timeout):
                return await waiter
        except TimeoutError as error:
            raise TimeExhausted(f"No answer within {self.request_timeout:.0f} s.") from error
        finally:
            self._waking.waiting.pop(request_id, None)

    def _message_listener_callback(self, message_listener_task: asyncio.Task[None]) -> None:
        if not message_listener_task.cancelled():
            message_listener_task.exception()  # taken note of, so that asyncio does not report it as unseen
        self.abandon()

    def abandon(self) -> None:
        """Count the connection as lost: everything that waits for it fails."""
        self._lost = True
        self._waking.pushed.set()
        for waiter in self._waking.waiting.values():
            if not waiter.done():
                waiter.set_exception(ProviderConnectionError("The connection was lost."))
