"""What has to be different about py-libp2p 0.8.1, with the reason for each; nothing else may patch it.

All of it is tied to that very version, so another one is refused. Tests with hostile peers keep each guard.
"""

from __future__ import annotations

import logging
import math
import struct
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from importlib.metadata import version
from typing import Any, Final
from weakref import WeakValueDictionary

import libp2p.network.connection.swarm_connection as swarm_connection
import libp2p.protocol_muxer.multiselect_communicator as multiselect
import libp2p.pubsub.gossipsub as gossipsub
import libp2p.pubsub.pubsub as pubsub
import libp2p.stream_muxer.yamux.yamux as yamux
import libp2p.transport.tcp.tcp as tcp
import trio
from libp2p.abc import IHost, IMuxedConn, INetStream
from libp2p.exceptions import ParseError
from libp2p.host.basic_host import BasicHost
from libp2p.identity.identify_push.identify_push import ID_PUSH
from libp2p.io.exceptions import IncompleteReadError, MessageTooLarge
from libp2p.io.trio import TrioTCPStream
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.pubsub import Pubsub
from libp2p.pubsub.rpc_queue import RpcQueue
from libp2p.pubsub.validators import signature_validator
from libp2p.stream_muxer.yamux.yamux import FLAG_SYN, TYPE_PING, YAMUX_HEADER_FORMAT, Yamux
from libp2p.tools.anyio_service.trio_manager import TrioManager
from libp2p.tools.anyio_service.trio_tasks import FunctionTask
from libp2p.utils.varint import read_varint_prefixed_bytes_limited

from gpn_desktop.adapters.p2p import muxer
from gpn_desktop.adapters.p2p.control import ControlGuard
from gpn_desktop.adapters.p2p.guards import GossipGuard
from gpn_desktop.adapters.p2p.standing import Buckets
from gpn_desktop.core.errors import NetworkDown

log = logging.getLogger("gpn.p2p")

TESTED: Final = "0.8.1"
MAX_RPC_BYTES: Final = 256 * 1024
QUEUED_RPCS: Final = 1024
QUEUED_BYTES: Final = 4 << 20
MAX_PROTOCOL_BYTES: Final = 1024  # of a name in the choice of a protocol
MAX_PROTOCOLS: Final = 12  # of these names on one stream
RPC_RATE: Final = 1000.0  # a second, of one connection; an empty one costs 50 µs as well
RPC_BURST: Final = 4000.0
RPC_PAUSE: Final = 0.05  # seconds before a connection with more of them is read again
PULSE: Final = 15.0  # seconds between two pings of a connection
PULSE_PAUSE: Final = 1.0  # before the first ping, and after one without an answer
PULSE_WITHIN: Final = 5.0
WAITED: Final = 0.2  # for room to write; less is a busy machine
PULSES_MISSED: Final = 2  # one may be missed by a machine that is busy
_patched = False


def apply() -> None:
    """Patch the library's modules, once per process; NetworkDown when another version is installed."""
    global _patched
    if _patched:
        return
    installed = version("libp2p")
    if installed != TESTED:
        raise NetworkDown(
            f"libp2p {installed} is installed; {TESTED} is needed.", remedy="Install the locked dependencies."
        )
    # 32 waiting messages are too few for a burst, and a full queue drops without a word.
    vars(pubsub)["RpcQueue"] = partial(_Queue, max_size=QUEUED_RPCS, max_message_size=MAX_RPC_BYTES)
    # Three reads and three window updates per message become one.
    vars(pubsub)["read_varint_prefixed_bytes_limited"] = _read_prefixed
    # A signed peer record on every message costs a third of its CPU; the one in the hello is enough.
    vars(gossipsub)["env_to_send_in_RPC"] = _no_record
    GossipSub.send_rpc = _send_without_record  # type: ignore[method-assign]
    # Nobody here reads the addresses in one, of which a quarter of a megabyte takes seconds to parse.
    vars(pubsub)["maybe_consume_signed_record"] = _ignore_record
    vars(gossipsub)["maybe_consume_signed_record"] = _ignore_record
    # ``protect`` checks it before the library does, since only there the relay's name is known.
    vars(pubsub)["signature_validator"] = _checked_before
    # The name of a protocol may have any length, and is read whole, before anybody has said who he is.
    vars(multiselect)["read_delim"] = _read_name
    # 16 MB for each stream of each peer are too many.
    vars(yamux)["MAX_WINDOW_SIZE"] = muxer.WINDOW
    # It listens with SO_REUSEPORT, so a second program on the port would go unnoticed and take connections.
    vars(tcp)["_open_reuseport_listeners"] = _open_listeners
    # It would keep a connection that carries nothing any more, and all gossip with it.
    Yamux._measure_rtt_loop = _keep_alive  # type: ignore[method-assign]
    # It looks for the task that begins another among all that run: three times for each topic of a peer.
    FunctionTask.run = _noted_run  # type: ignore[method-assign]
    TrioManager._find_parent_task = _parent_task  # type: ignore[method-assign, assignment]
    # It knows no address of a peer that comes by IPv6, whose sockets' names have four parts.
    TrioTCPStream.get_remote_address = _remote_address  # type: ignore[method-assign]
    # It logs to the root logger, which makes Python install a handler that nobody asked for.
    vars(swarm_connection)["logging"] = logging.getLogger("libp2p.network.connection")
    # What hostile peers can make it log at warning and error would fill a disk; the guards tell what matters.
    logging.getLogger("libp2p").setLevel(logging.CRITICAL)
    _patched = True


def protect(host: IHost, gossip: Pubsub, guard: GossipGuard, control: ControlGuard) -> None:
    """Keep one bad stream or message from ending the host; ask the guards before any work is spent on one.

    An exception in a stream handler, or a garbage protobuf on a gossip stream, ends the library's service
    with everything in it. To be called before the host runs.
    """
    swarm = host.get_network()
    assert isinstance(swarm, Swarm)
    swarm.set_stream_handler(_contained(swarm.common_stream_handler))
    # It dials whatever address any peer has told it, banned ones too; the node has its own dialer.
    vars(swarm.auto_connector)["maybe_connect"] = trio.lowlevel.checkpoint
    # An identity that a peer pushes may have a megabyte of addresses, which nobody reads.
    vars(host)["_should_identify_peer"] = _identify_nobody
    assert isinstance(host, BasicHost)
    host.multiselect.remove_handler(ID_PUSH)
    _guard_gossip(gossip, guard)
    _guard_notes(gossip, control)
    _reach_everybody(gossip)
    _tell_late_topics(gossip)
    _tell_recent_once(gossip)
    # It counts from the start in seconds, so after a quick restart the first messages would repeat numbers
    # that the peers have seen, and be dropped.
    gossip.counter = time.time_ns() // 1000


def _guard_gossip(gossip: Pubsub, guard: GossipGuard) -> None:
    push = gossip.push_msg

    async def safe_push(forwarder: ID, message: rpc_pb2.Message) -> None:
        try:
            if not guard.admit(forwarder, message) or gossip._is_msg_seen(message):
                return
            if forwarder != gossip.my_id and not signature_validator(message):
                guard.forged(forwarder)
                return
            await push(forwarder, message)
        except Exception:  # the library raises anything on hostile input
            log.debug("a gossip message failed", exc_info=True)

    vars(gossip)["push_msg"] = safe_push
    vars(gossip)["notify_subscriptions"] = guard.accept


def _guard_notes(gossip: Pubsub, control: ControlGuard) -> None:
    act, note = gossip.router.handle_rpc, gossip.handle_subscription

    async def safe_act(rpc: rpc_pb2.RPC, sender: ID) -> None:
        if control.admit(sender, rpc):
            await act(rpc, sender)

    def safe_note(sender: ID, said: rpc_pb2.RPC.SubOpts) -> None:
        if control.admit_subscription(sender, said):
            note(sender, said)

    vars(gossip.router)["handle_rpc"] = safe_act
    vars(gossip)["handle_subscription"] = safe_note


def _reach_everybody(gossip: Pubsub) -> None:
    """Send own messages to all subscribers instead of the mesh alone, as other implementations do.

    A committee has at most 32 members, and one that is in back-off or not grafted yet would hear nothing.
    """
    router = gossip.router
    assert isinstance(router, GossipSub)
    choose = router._get_peers_to_send

    def all_for_own(
        topic_ids: Iterable[str], msg_forwarder: ID, origin: ID, msg_id: bytes | None = None
    ) -> Iterable[ID]:
        chosen = set(choose(topic_ids, msg_forwarder, origin, msg_id))
        if origin == gossip.my_id:
            chosen.update(*(gossip.peer_topics.get(topic, ()) for topic in topic_ids))
        return chosen

    vars(router)["_get_peers_to_send"] = all_for_own


def _tell_late_topics(gossip: Pubsub) -> None:
    """Tell a new peer of topics that were joined while its hello was on the way.

    The library announces a topic to registered peers only, and registers one after its hello is written: in
    between an announcement is lost for ever, and the peer never sends anything on that topic.
    """
    greet = gossip._handle_new_peer

    async def greet_and_tell(peer: ID) -> None:
        before = set(gossip.topic_ids)
        await greet(peer)
        if before != set(gossip.topic_ids):
            announce(gossip, peer)

    vars(gossip)["_handle_new_peer"] = greet_and_tell


def _tell_recent_once(gossip: Pubsub) -> None:
    """Tell a peer that joins a topic of its recent messages once for each connection.

    The library does so each time that the peer leaves and joins again: hundreds of messages for a note of
    fifty bytes.
    """
    forget = gossip._forget_subscription

    def forget_but_what_was_told(peer: ID, topic: str) -> None:
        told = set(gossip._replayed_recent_topics.get(peer, ()))
        forget(peer, topic)
        if told:
            gossip._replayed_recent_topics[peer] = told

    vars(gossip)["_forget_subscription"] = forget_but_what_was_told


def announce(gossip: Pubsub, peer: ID) -> None:
    """Tell a peer of all topics; it makes no difference to one that knows them."""
    queue = gossip.peer_queues.get(peer)
    topics = [rpc_pb2.RPC.SubOpts(subscribe=True, topicid=topic) for topic in gossip.topic_ids]
    if queue is not None and topics:
        queue.push(rpc_pb2.RPC(subscriptions=topics))


def renew(gossip: Pubsub, peer: ID) -> None:
    """Open another gossip stream to a peer whose last one ended with one of its connections.

    The library finds out when it writes to it, and loses what it wrote and all that waits.
    """
    stream = gossip.peers.get(peer)
    if stream is None or not stream.muxed_conn.is_closed:
        return
    topics = [topic for topic, peers in gossip.peer_topics.items() if peer in peers]
    gossip._handle_dead_peer(peer)
    for topic in topics:  # it forgets them, and the peer, whose stream may be well, would not tell again
        gossip.peer_topics.setdefault(topic, set()).add(peer)


def forget_failures(host: IHost, peer: ID) -> None:
    """Dial even though a dial failed a minute ago: the node has its own back-off."""
    swarm = host.get_network()
    assert isinstance(swarm, Swarm)
    swarm._negative_peer_cache.evict(str(peer))


def trim(router: GossipSub) -> None:
    """Drop a list of deliveries that only adaptive gossip, which is off, would trim."""
    router.recent_message_deliveries.clear()


def _contained(
    handler: Callable[[INetStream], Awaitable[None]],
) -> Callable[[INetStream], Awaitable[None]]:
    async def safe(stream: INetStream) -> None:
        try:
            await handler(stream)
        except Exception:  # the library raises anything on hostile input
            log.debug("a stream failed", exc_info=True)
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await _reset(stream)

    return safe


async def _reset(stream: INetStream) -> None:
    try:
        await stream.reset()
    except Exception:  # it is broken already
        log.debug("a broken stream could not be reset", exc_info=True)


class _Queue(RpcQueue):
    """Bounded by bytes as well, for peers that do not read what they are told."""

    _bytes = 0

    def push(self, rpc: rpc_pb2.RPC, priority: bool = False) -> bool:
        size = rpc.ByteSize()
        if self._bytes + size > QUEUED_BYTES or not super().push(rpc, priority):
            return False
        self._bytes += size
        return True

    async def pop(self) -> rpc_pb2.RPC | None:
        rpc = await super().pop()
        if rpc is not None:
            self._bytes -= rpc.ByteSize()
        return rpc


async def _read_name(reader: Any) -> bytes:
    read = vars(reader)["_gpn_names"] = vars(reader).get("_gpn_names", 0) + 1
    if read > MAX_PROTOCOLS:
        raise ParseError("too many protocols are tried")
    try:
        name = await read_varint_prefixed_bytes_limited(reader, MAX_PROTOCOL_BYTES)
    except MessageTooLarge as error:
        raise ParseError("a protocol's name is too long") from error
    if not name.endswith(b"\n"):
        raise ParseError("a protocol's name does not end")
    return name[:-1]


async def _read_prefixed(stream: Any, max_length: int) -> bytes:
    # Thousands of empty messages may lie in the buffer, and nothing below would let others run in between.
    await trio.lowlevel.checkpoint()
    pace: Buckets = vars(stream.muxed_conn).setdefault("_gpn_pace", Buckets(RPC_RATE, RPC_BURST))
    while not pace.take(b""):  # noqa: ASYNC110 - there is no event for it
        await trio.sleep(RPC_PAUSE)
    buffer: bytearray = stream.__dict__.setdefault("_gpn_buffer", bytearray())
    while (header := _varint(buffer)) is None:
        await _more(stream, buffer)
    length, start = header
    if length > max_length:
        raise MessageTooLarge(f"{length} > {max_length}")
    while len(buffer) < start + length:
        await _more(stream, buffer)
    message = bytes(buffer[start : start + length])
    del buffer[: start + length]
    return message


def _varint(buffer: bytearray) -> tuple[int, int] | None:
    """Value and length of the varint at the front, None while it is incomplete."""
    value = 0
    for number, byte in enumerate(buffer[:10]):
        value |= (byte & 0x7F) << 7 * number
        if byte < 0x80:
            return value, number + 1
    if len(buffer) >= 10:
        raise ParseError("a length prefix without end")
    return None


async def _more(stream: Any, buffer: bytearray) -> None:
    data = await stream.read(65536)
    if not data:
        raise IncompleteReadError("the stream ended", expected_bytes=1, received_bytes=0)
    buffer.extend(data)


def _ignore_record(msg: rpc_pb2.RPC, host: IHost, peer_id: ID) -> bool:
    return True


def _checked_before(msg: rpc_pb2.Message) -> bool:
    return True


def _identify_nobody(peer_id: ID) -> bool:
    return False


def _no_record(host: IHost) -> tuple[bytes, bool]:
    return b"", False


_send_rpc = GossipSub.send_rpc


def _send_without_record(self: GossipSub, peer_id: ID, rpc: rpc_pb2.RPC, priority: bool = False) -> None:
    if not rpc.senderRecord:
        rpc.ClearField("senderRecord")
    _send_rpc(self, peer_id, rpc, priority)


async def _keep_alive(self: Yamux) -> None:
    """Ping a connection now and then, and close it when it is silent.

    The library only measures. Where packets vanish, TCP says nothing for a quarter of an hour, and when they
    come through again it waits for as long as they did not, with all that was sent since.
    """
    missed, pause = 0, PULSE_PAUSE
    seen = _signs_of_life(self)
    while not self.event_shutting_down.is_set():
        wanted = vars(self).setdefault("_gpn_check", trio.Event())
        with trio.move_on_after(pause):
            await wanted.wait()
        vars(self)["_gpn_check"] = trio.Event()
        asked = trio.current_time()
        try:
            answered = await _pulse(self)
        except Exception:  # the connection is at its end
            log.debug("a connection could not be pinged", exc_info=True)
            return
        # On a slow line ping and answer may be behind megabytes of something else.
        missed = 0 if answered or seen() > asked else missed + 1
        if missed == PULSES_MISSED:
            log.info("%s is silent; its connection is closed", self.get_remote_address())
            # Without a word, which could only wait behind all that was not delivered.
            await self.secured_conn.close()
            return
        pause = PULSE if answered else PULSE_PAUSE


def _signs_of_life(connection: Yamux) -> Callable[[], float]:
    """When the other side showed the last time that it is there."""
    read, write = connection.secured_conn.read, connection.secured_conn.write
    last = -math.inf

    async def noted_read(n: int | None = None) -> bytes:
        nonlocal last
        data = await read(n)
        last = trio.current_time()
        return data

    async def noted_write(data: bytes) -> None:
        nonlocal last
        began = trio.current_time()
        await write(data)
        if trio.current_time() - began > WAITED:  # room that the other side made
            last = trio.current_time()

    vars(connection.secured_conn).update(read=noted_read, write=noted_write)
    return lambda: last


async def _pulse(connection: Yamux) -> bool:
    """Whether the other side answers."""
    with trio.move_on_after(PULSE_WITHIN):
        connection._ping_id += 1
        connection._ping_event = trio.Event()
        connection._ping_sent_time = trio.current_time()
        await connection._write_frame(
            struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_PING, FLAG_SYN, 0, connection._ping_id)
        )
        await connection._ping_event.wait()
        return True
    return False


def check(connection: IMuxedConn) -> None:
    """Ping a connection now: there is a sign that it is dead."""
    vars(connection).setdefault("_gpn_check", trio.Event()).set()


_run_task = FunctionTask.run
_tasks: WeakValueDictionary[int, FunctionTask] = WeakValueDictionary()  # by the id of their trio task


async def _noted_run(self: FunctionTask) -> None:
    _tasks[id(trio.lowlevel.current_task())] = self
    await _run_task(self)


def _parent_task(self: TrioManager, task: trio.lowlevel.Task) -> FunctionTask | None:
    found = _tasks.get(id(task))
    if found is None or found.trio_task is not task:  # an id is given again
        return None
    root: Any = found
    while root.parent is not None:
        root = root.parent
    return found if root in self._root_tasks else None  # and not another service's


def _remote_address(self: TrioTCPStream) -> tuple[str, int] | None:
    if self._cached_remote_address is None:
        try:
            host, port, *_ = self.stream.socket.getpeername()
        except OSError:  # not connected any more
            return None
        self._cached_remote_address = (str(host), int(port))
    return self._cached_remote_address


async def _open_listeners(host: str | None, port: int) -> list[trio.SocketListener]:
    return list(await trio.open_tcp_listeners(port, host=host))
