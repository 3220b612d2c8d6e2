"""Both framings survive any cutting of the stream, and nothing that breaks them gets through."""

from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpn_desktop.adapters.docker.frames import (
    CHUNK,
    MAX_DOCKER_FRAME,
    STDERR,
    STDOUT,
    DockerDemux,
    Frame,
    FramingError,
    Kind,
    RelayFrames,
    close_frame,
    encode,
    request_frames,
)


def cut(stream: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(edge % (len(stream) + 1) for edge in at), len(stream)]
    return [stream[a:b] for a, b in pairwise(edges)]


@given(
    st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=40))),
    st.lists(st.integers(min_value=0)),
)
def test_the_engines_frames_survive_any_cutting(frames: list[tuple[int, bytes]], at: list[int]) -> None:
    stream = b"".join(struct.pack(">B3xI", number, len(payload)) + payload for number, payload in frames)
    demux = DockerDemux()

    assert [found for piece in cut(stream, at) for found in demux.feed(piece)] == frames


@given(
    st.lists(
        st.builds(
            Frame,
            st.sampled_from([Kind.DATA, Kind.END, Kind.REFUSED]),
            st.integers(0, 2**32 - 1),
            st.binary(max_size=40),
        )
    ),
    st.lists(st.integers(min_value=0)),
)
def test_the_relays_frames_survive_any_cutting(frames: list[Frame], at: list[int]) -> None:
    stream = b"".join(encode(frame) for frame in frames)
    reader = RelayFrames()

    assert [found for piece in cut(stream, at) for found in reader.feed(piece)] == frames


@pytest.mark.parametrize(
    "header",
    [
        struct.pack(">B3xI", 0, 5),
        struct.pack(">B3xI", 3, 5),
        struct.pack(">B3xI", STDOUT, MAX_DOCKER_FRAME + 1),
        b"HTTP/1.1 500 Internal",
    ],
)
def test_what_is_no_engine_frame_is_refused(header: bytes) -> None:
    with pytest.raises(FramingError):
        list(DockerDemux().feed(header))


@pytest.mark.parametrize(
    "header",
    [
        struct.pack(">III", ord("O"), 1, 0),
        struct.pack(">III", ord("X"), 1, 0),
        struct.pack(">III", ord("D"), 1, CHUNK + 1),
        struct.pack(">III", ord("D"), 1, 2**32 - 1),
    ],
)
def test_what_is_no_relay_frame_is_refused_before_its_payload_comes(header: bytes) -> None:
    with pytest.raises(FramingError):
        list(RelayFrames().feed(header))


def test_a_request_is_cut_to_the_relays_buffer() -> None:
    request = bytes(range(256)) * 600

    opening, *rest = request_frames(7, 0.25, request)

    assert opening == struct.pack(">IIII", ord("O"), 7, 4, 250)
    assert all(len(piece) <= 12 + CHUNK for piece in rest)
    assert b"".join(piece[12:] for piece in rest) == request
    assert close_frame(7) == struct.pack(">III", ord("C"), 7, 0)
