"""One spelling per address: what is equal is equal, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_snapshot.exporter.addresses import normal_address, same_address


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("HTTP://API.Example.ORG:80/", "http://api.example.org"),
        ("https://api.example.org:443//", "https://api.example.org"),
        ("https://api.example.org:80", "https://api.example.org:80"),
        ("http://user:pass@host:8008/", "http://host:8008"),
        ("http://[0:0:0:0:0:0:0:1]:8008", "http://[::1]:8008"),
        ("http://[2001:DB8::0:1]", "http://[2001:db8::1]"),
        ("http://BÜCHER.example", "http://xn--bcher-kva.example"),
        ("http://xn--BCHER-kva.example", "http://xn--bcher-kva.example"),
        ("https://straße.example", "https://xn--strae-oqa.example"),
        ("http://my_host:8008", "http://my_host:8008"),
        (" http://host/Path/to/ ", "http://host/Path/to"),
    ],
)
def test_one_spelling(text: str, spelt: str) -> None:
    assert normal_address(text) == spelt
    assert normal_address(spelt) == spelt
    assert same_address(text, spelt)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("http://host", "https://host"),
        ("http://host", "http://host:8008"),
        ("http://host/a", "http://host/A"),
        ("http://host", "http://host/a"),
        ("http://host", "http://host.example"),
        ("http://strasse.example", "http://straße.example"),
        ("http://host", None),
    ],
)
def test_other_addresses(first: str, second: str | None) -> None:
    assert not same_address(first, second)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        "host:8008",
        "ftp://host",
        "http://",
        "http://:1",
        "http://a..b",
        "http://h:x",
        "http://h:0",
        "http://h:99999",
        "http://h?x=1",
        "http://h#x",
        "http://[::1",
        "s3://bucket",
        "<redacted>",
        "http://a b",
        "http://a\u200bb",
        "http://a\nb",
    ],
)
def test_what_is_not_an_address(text: str) -> None:
    assert normal_address(text) is None
    assert same_address(text, text)


@given(st.text(max_size=30))
def test_any_text_has_a_spelling_that_stays(text: str) -> None:
    spelt = normal_address(f"http://{text}")
    assert spelt is None or normal_address(spelt) == spelt
