"""The gRPC server: where it listens, with what limits, and how it ends.

It runs on the loop of the services. Without a certificate it belongs on loopback; the configuration refuses
anything else unless told that a proxy stands in front.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from grpc_health.v1.health import aio as health  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection  # type: ignore[import-untyped]

from gpn_desktop.adapters.grpc.pb import gpn_pb2, gpn_pb2_grpc, seed_pb2, seed_pb2_grpc
from gpn_desktop.adapters.grpc.servicers import Gate, GpnService, Limits, SeedService
from gpn_desktop.core.errors import ConfigError, PortInUse
from gpn_desktop.services.facade import Facade

SERVICES: Final = (
    seed_pb2.DESCRIPTOR.services_by_name["ProvingNetworkService"].full_name,
    gpn_pb2.DESCRIPTOR.services_by_name["ProvingNetwork"].full_name,
)
ENVELOPE_BYTES: Final = 64 * 1024  # what a message may carry beside its payload


@dataclass(frozen=True, slots=True)
class GrpcOptions:
    """Where to listen (port 0: any free one), the certificate for TLS, and the limits."""

    host: str = "127.0.0.1"
    port: int = 0
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    concurrent_calls: int = 1_000
    limits: Limits = field(default_factory=Limits)


class Unreadable(grpc.aio.ServerInterceptor):
    """Reads bytes that are no message as the empty message, which every call that takes anything refuses.

    Left to itself grpc answers UNKNOWN and writes a traceback into the log for each.
    """

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None or handler.request_deserializer is None:
            return handler
        return handler._replace(request_deserializer=_lenient(handler.request_deserializer))


def _lenient(parse: Callable[[bytes], Message]) -> Callable[[bytes], Message]:
    def read(raw: bytes) -> Message:
        try:
            return parse(raw)
        except DecodeError:
            return parse(b"")

    return read


class GrpcServer:
    """Serves the facade to consumers from ``start`` to ``aclose``."""

    def __init__(self, facade: Facade, options: GrpcOptions) -> None:
        self._facade = facade
        self._options = options
        self._server: grpc.aio.Server | None = None
        self._health = health.HealthServicer()
        self.port = 0

    @property
    def target(self) -> str:
        """What a client on this machine connects to."""
        host = self._options.host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    async def start(self) -> None:
        """Listen and serve; PortInUse, or ConfigError for a certificate that cannot be used."""
        server = grpc.aio.server(
            interceptors=[Unreadable()],
            options=self._channel_options(),
            maximum_concurrent_rpcs=self._options.concurrent_calls,
        )
        gate = Gate(self._options.limits)
        seed_pb2_grpc.add_ProvingNetworkServiceServicer_to_server(SeedService(self._facade, gate), server)
        gpn_pb2_grpc.add_ProvingNetworkServicer_to_server(GpnService(self._facade, gate), server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (*SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
        reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), server)
        try:
            self.port = await self._bind(server)
            await server.start()
        except BaseException:
            await server.stop(None)  # grpc's threads outlive a server that was never stopped
            raise
        self._server = server
        for name in ("", *SERVICES):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    def _channel_options(self) -> list[tuple[str, int]]:
        largest = self._options.limits.payload + ENVELOPE_BYTES
        return [
            ("grpc.max_receive_message_length", largest),
            ("grpc.max_send_message_length", largest),
            ("grpc.max_metadata_size", 16 * 1024),
            # A client that vanished without a word ends its watches within a minute and a half.
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
            # Two nodes on one port would share its calls by chance.
            ("grpc.so_reuseport", 0),
        ]

    async def _bind(self, server: grpc.aio.Server) -> int:
        host, port = self._options.host, self._options.port
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        credentials = await asyncio.to_thread(self._credentials)
        try:
            if credentials is None:
                bound = server.add_insecure_port(address)
            else:
                bound = server.add_secure_port(address, credentials)
        except RuntimeError as error:  # grpc's only word for every failure to bind
            raise PortInUse(f"gRPC cannot listen on {address}.") from error
        if bound == 0:
            raise PortInUse(f"gRPC cannot listen on {address}.")
        return bound

    def _credentials(self) -> grpc.ServerCredentials | None:
        certificate, key = self._options.tls_certificate, self._options.tls_key
        if certificate is None and key is None:
            return None
        if certificate is None or key is None:
            raise ConfigError("TLS needs both a certificate and its key.")
        try:
            # grpc takes any bytes and says why they are none on stderr alone; OpenSSL tells it here.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
            return grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
        except OSError as error:
            raise ConfigError(
                f"The TLS certificate {certificate} or its key cannot be used: {error}."
            ) from error

    async def aclose(self, grace: float = 1.0) -> None:
        """Take no new calls, give those under way ``grace`` seconds, end; idempotent."""
        server, self._server = self._server, None
        if server is None:
            return
        await self._health.enter_graceful_shutdown()
        await server.stop(grace)
