"""What is judged is what Phoenix reads: one decoding, one spelling."""

from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.policy.paths import (
    MAX_PATH_BYTES,
    MAX_QUERY_BYTES,
    Path,
    canonical_query,
    parse_path,
    serialise,
)

PIECES = [
    *("a", "v1", ".", "..", "/", "%2e", "%2E", "%2f", "%5c", "\\", "%25", "%252e", "%00", "%0a"),
    *("%20", "%c3%a9", "%ff", "%", "%zz", "~", ":", "=", "+", ";", "&", "?", "#", "|", "é", " "),
]
RAW = st.lists(st.sampled_from(PIECES), max_size=12).map(lambda p: "/" + "".join(p))


def received(path: str) -> str:
    """What a Phoenix behind uvicorn matches its routes against."""
    return unquote(path)


@given(RAW)
def test_phoenix_splits_what_was_sent_into_what_was_judged(raw: str) -> None:
    path = parse_path(raw.encode())
    if path is not None:
        sent = received(serialise(path.segments))
        assert tuple(part for part in sent.split("/") if part) == path.segments
        assert sent.count("/") == max(len(path.segments), 1)


@given(RAW)
def test_no_decoding_ever_gives_a_dot_segment_or_another_slash(raw: str) -> None:
    path = parse_path(raw.encode())
    for segment in path.segments if path else ():
        twice = unquote(segment)
        assert segment not in ("", ".", "..")
        assert twice not in ("", ".", "..")
        assert not set("/\\\x00") & {*segment, *twice}


@given(RAW)
def test_the_serialisation_is_read_back_to_the_same(raw: str) -> None:
    path = parse_path(raw.encode())
    if path is not None:
        assert parse_path(serialise(path.segments).encode()) == Path(path.segments)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1)))
def test_every_plain_name_passes_as_a_segment(names: list[str]) -> None:
    plain = tuple(name for name in names if name not in (".", "..") and not set("/\\%") & set(name))
    raw = serialise(plain).encode()
    if len(raw) <= 512:
        assert parse_path(raw) == Path(plain)


@given(st.binary(max_size=64))
def test_no_bytes_make_the_parser_fail(raw: bytes) -> None:
    path, query = parse_path(b"/" + raw), canonical_query(raw)
    assert path is None or path.segments is not None
    assert query is None or query.isascii()


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"v1", b"//", b"/v1//users", b"/v1/./users", b"/v1/../users", b"/v1/%2e%2E/users"),
        *(b"/v1/a%2fb", b"/v1/a%5Cb", b"/v1/a\\b", b"/v1/a%00", b"/v1/a%0d%0a", b"/v1/%7f"),
        *(b"/v1/%c2%85", b"/v1/%ff", b"/v1/%c0%af", b"/v1/%", b"/v1/%4", b"/v1/\xc3\xa9"),
        *(b"/v1/%252e%252e", b"/v1/a%252fb", b"/v1/a%255cb", b"/v1/%2500", b"/v1/%25252e"),
        *(b"/v1/a b", b"/v1/a?b", b"/v1/a#b", b"/v1/a\n"),
        *(b"/" + b"a" * MAX_PATH_BYTES, b"/" + b"a" * 1025),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(raw: bytes) -> None:
    assert parse_path(raw) is None


@pytest.mark.parametrize(
    ("raw", "segments", "trailing"),
    [
        (b"/", (), False),
        (b"/ui/acme/", ("ui", "acme"), True),
        (b"/v1/projects/my%20app", ("v1", "projects", "my app"), False),
        (b"/v1/projects/my+app", ("v1", "projects", "my+app"), False),
        (b"/v1/projects/d%C3%A9mo", ("v1", "projects", "démo"), False),
        (b"/v1/projects/UHJvamVjdDox", ("v1", "projects", "UHJvamVjdDox"), False),
        (b"/v1/prompts/RHVtbXk6MQ%3D%3D", ("v1", "prompts", "RHVtbXk6MQ=="), False),
        (b"/v1/prompts/RHVtbXk6MQ==", ("v1", "prompts", "RHVtbXk6MQ=="), False),
        (b"/v1/sessions/user:1@x|2", ("v1", "sessions", "user:1@x|2"), False),
        (b"/v1/projects/100%25%20done", ("v1", "projects", "100% done"), False),
        (b"/v1/projects/...", ("v1", "projects", "..."), False),
    ],
)
def test_names_that_clients_send_are_read(
    raw: bytes, segments: tuple[str, ...], trailing: bool
) -> None:
    assert parse_path(raw) == Path(segments, trailing)


QUERY_PIECES = [
    "a",
    "b",
    "=",
    "&",
    "+",
    "%20",
    "%26",
    "%3D",
    "%0A",
    "%00",
    "%c3%a9",
    "%",
    ";",
    "%2B",
]


@given(st.lists(st.sampled_from(QUERY_PIECES), max_size=16).map("".join))
def test_a_query_means_the_same_before_and_after(raw: str) -> None:
    spelt = canonical_query(raw.encode())
    if spelt is not None:
        assert parse_qsl(spelt, keep_blank_values=True) == parse_qsl(raw, keep_blank_values=True)
        assert canonical_query(spelt.encode()) == spelt


@pytest.mark.parametrize(
    ("raw", "spelt"),
    [
        (b"", ""),
        (b"span_ids=1&span_ids=2&limit=10", "span_ids=1&span_ids=2&limit=10"),
        (b"filter=span_kind+%3D%3D+%27LLM%27", "filter=span_kind+%3D%3D+'LLM'"),
        (b"start_time=2026-01-01T00:00:00%2B00:00", "start_time=2026-01-01T00:00:00%2B00:00"),
        (b"flag&empty=", "flag&empty="),
        (b"&&a=1&", "a=1"),
    ],
)
def test_queries_that_clients_send_are_spelt(raw: bytes, spelt: str) -> None:
    assert canonical_query(raw) == spelt


@pytest.mark.parametrize(
    "raw",
    [
        *(b"a=%00", b"a=%1b", b"a=%ff", b"a=%", b"a=%4", b"a=b#c", b"a=b c", b"\xc3\xa9=1"),
        *(b"a=" + b"b" * MAX_QUERY_BYTES, b"a&" * 513),
    ],
)
def test_a_query_that_is_not_clean_is_refused(raw: bytes) -> None:
    assert canonical_query(raw) is None
