"""Which URLs may be registered and which addresses may be connected to (contract, section 4)."""

import json
import string
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path

import idna
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webhook_admin.callback_urls import (
    NOT_PUBLIC,
    Address,
    CallbackUrl,
    InvalidCallbackUrl,
    Network,
    Refusal,
    may_connect,
    parse,
)

CASES = [
    case
    for case in json.loads((Path(__file__).parent / "cases" / "urls.json").read_text())["register"]
    if "url" in case
]


def cases(expected: str) -> pytest.MarkDecorator:
    """Run a test over the shared cases of one outcome, each under its own id."""
    chosen = [pytest.param(case["url"], id=case["id"]) for case in CASES if case["expect"] == expected]
    return pytest.mark.parametrize("url", chosen)


def refusal(url: str, allowed: tuple[Network, ...] = ()) -> str:
    """Return the code that a URL is refused with."""
    with pytest.raises(InvalidCallbackUrl) as caught:
        parse(url, allowed)
    return caught.value.code


# The shared cases


@cases("accept")
def test_accepts(url: str) -> None:
    """Every URL that the shared cases accept can be registered, and is cut without loss."""
    assert url.endswith(parse(url).target.removeprefix("/"))


@cases("reject")
def test_rejects(url: str) -> None:
    """Every URL that the shared cases reject is refused, with a message that does not repeat it."""
    with pytest.raises(InvalidCallbackUrl) as caught:
        parse(url)
    assert url not in caught.value.message


# What comes out


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Hooks.EXAMPLE.com/", "hooks.example.com"),
        ("https://example.com./", "example.com."),
        ("https://_tenant.example.com/", "_tenant.example.com"),
        ("https://r3---sn-abc.example.com/", "r3---sn-abc.example.com"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://BÜCHER.example/", "xn--bcher-kva.example"),
        ("https://bu\u0308cher.example/", "xn--bcher-kva.example"),
        ("https://bücher。example/", "xn--bcher-kva.example"),
        ("https://XN--BCHER-KVA.example/", "xn--bcher-kva.example"),
        ("https://r3---sn-abc.bücher.example/", "r3---sn-abc.xn--bcher-kva.example"),
        ("https://faß.example/", "xn--fa-hia.example"),
        ("https://ශ\u0dca\u200dර\u0dd3.example/", "xn--10cl1a0b660p.example"),
        ("https://93.184.216.34/", "93.184.216.34"),
        ("https://[2606:4700:4700:0:0:0:0:ABCD]/", "2606:4700:4700::abcd"),
    ],
)
def test_host(url: str, host: str) -> None:
    """The host is what a sender connects to: lower case, A-labels, compressed IPv6 without brackets."""
    assert parse(url).host == host


@pytest.mark.parametrize(
    ("rest", "target"),
    [
        ("", "/"),
        ("/", "/"),
        ("?", "/?"),
        ("?x", "/?x"),
        ("/?", "/?"),
        ("//a/../b/.", "//a/../b/."),
        ("/a;v=1,2/b=c:@!$&'()*+-._~", "/a;v=1,2/b=c:@!$&'()*+-._~"),
        ("/%c3%BC%00?a=/?b&c=https://x@y:1", "/%c3%BC%00?a=/?b&c=https://x@y:1"),
    ],
)
def test_target(rest: str, target: str) -> None:
    """Path and query stay byte for byte as given; only an empty path gets the slash that HTTP needs."""
    assert parse(f"https://example.com{rest}").target == target


@pytest.mark.parametrize(
    ("port", "number"),
    [("", 443), (":", 443), (":443", 443), (":1024", 1024), (":00081", 81), (":2", 2), (":65535", 65535)],
)
def test_port(port: str, number: int) -> None:
    """A port is 1 to 65535 in up to five digits; none, or an empty one, is 443."""
    assert parse(f"https://example.com{port}/").port == number


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Example.com", "https://example.com:443"),
        ("https://[2606:4700::1]:8443/cb?x", "https://[2606:4700::1]:8443"),
    ],
)
def test_origin(url: str, origin: str) -> None:
    """The origin names scheme, host and port, always written out, and IPv6 in brackets."""
    assert parse(url).origin == origin


# What is refused, and what the customer is told


@pytest.mark.parametrize(
    ("code", "urls"),
    [
        ("too_long", ["https://example.com/" + "a" * 2029, "x" * 2049]),
        ("not_https", ["", "example.com", "//example.com", "http://example.com/", "https:/example.com/"]),
        (
            "not_https",
            ["http\u017f://example.com/", "\ufeffhttps://example.com/", "https", "httpss://example.com"],
        ),
        ("invalid_character", [" https://example.com/", "https://example.com/\n", "http://exa mple.com/"]),
        ("invalid_character", ["\0https://a.b/", "https://127.0.0.1\0.a.b/", "https://a\x9fb.c/", "a\x7f"]),
        ("invalid_character", ["https:\\\\example.com", "https://example.com\\@a.b", "https://a.b/\\"]),
        (
            "invalid_character",
            ["https://example.com\u3000/", "https://example.com/\x7f", "https://a\x85b.c/"],
        ),
        (
            "invalid_character",
            [f"https://example.com/{char}" for char in '<>"{}|^`[]ü\u202e\ud800\U0001f4a9'],
        ),
        (
            "invalid_character",
            [f"https://example.com/?{char}" for char in '<>"{}|^`[]ü\u202e\ud800\U0001f4a9'],
        ),
        ("invalid_character", [f"https://example.com/{text}" for text in ("%", "%4", "%zz", "%4g/", "%%41")]),
        ("has_userinfo", ["https://u:p@example.com/", "https://@example.com/", "https://a@b@example.com/"]),
        ("has_userinfo", ["https://example.com:443@127.0.0.1/", "https://u@[::1]/"]),
        ("has_fragment", ["https://example.com/#", "https://example.com#a", "https://example.com/?a#b?c"]),
        ("invalid_host", ["https://", "https:///cb", "https://:443/", "https://?x", "https://."]),
        ("invalid_host", ["https://.example.com/", "https://a..example/", "https://example.com../"]),
        (
            "invalid_host",
            ["https://-a.example/", "https://a-.example/", "https://a.example-/", "https://!.a/"],
        ),
        ("invalid_host", ["https://loca%6chost/", "https://ü%2e.example/", "https://[fe80::1%25eth0]/"]),
        ("invalid_host", ["https://xn--.example/", "https://xn--a.example/", "https://xn--abc-.example/"]),
        ("invalid_host", ["https://ü☃.example/", "https://ü\u2100.example/", "https://_x.ü.example/"]),
        ("invalid_host", ["https://\u200dü.example/", "https://1א.example/", "https://\ud800.example/"]),
        ("invalid_host", [f"https://{'a' * 64}.example/", f"https://{'ü' * 60}.example/"]),
        (
            "lookalike_host",
            ["https://ⓛocalhost/", "https://127\uff0e0\uff0e0\uff0e1/", "https://exam\u200bple.com/"],
        ),
        ("invalid_address", ["https://2130706433/", "https://0x7f.1/", "https://0X/", "https://foo.123/"]),
        (
            "invalid_address",
            ["https://8.8.8.8./", "https://8.8.8/", "https://08.8.8.8/", "https://8.8.8.256/"],
        ),
        (
            "invalid_address",
            ["https://1.2.3.4.5/", "https://a.0xdef./", "https://8.8.8.0x8/", "https://ü.①/"],
        ),
        ("invalid_address", ["https://[]/", "https://[v1.x]/", "https://[8.8.8.8]/", "https://[2606::1/"]),
        ("invalid_address", ["https://[2606::1]a.com/", "https://[2606::1::2]/", "https://[[2606::1]]/"]),
        ("private_host", ["https://postgres/", "https://localhost/", "https://LocalHost./"]),
        ("private_host", ["https://a.localhost/", "https://a.LOCAL/", "https://a.localdomain./"]),
        ("private_host", ["https://a.internal./", "https://home.arpa/", "https://a.b.Home.Arpa/"]),
        ("private_host", ["https://a.onion/", "https://ü.ⓛocalhost/", "https://ü/"]),
        ("private_address", ["https://10.0.0.1/", "https://[::1]/", "https://[::ffff:8.8.8.8]/"]),
        (
            "invalid_port",
            [f"https://example.com:{port}/" for port in ("0", "00000", "65536", "000443", "99999")],
        ),
        (
            "invalid_port",
            [f"https://example.com:{port}/" for port in ("+443", "-1", "0x1bb", "\uff14\uff14\uff13", "443:80")],
        ),
        (
            "forbidden_port",
            [f"https://example.com:{port}/" for port in (22, 25, 4190, 6667, 6679, 10080, "0022")],
        ),
    ],
)
def test_refusal_code(code: str, urls: list[str]) -> None:
    """Each kind of mistake has its code, and of several mistakes the one that helps most is named."""
    assert {url: refusal(url) for url in urls} == dict.fromkeys(urls, code)


@pytest.mark.parametrize("reason", Refusal)
def test_message(reason: Refusal) -> None:
    """Every refusal carries its code and one sentence that says what to do, also as its text."""
    error = InvalidCallbackUrl(reason)
    assert (error.code, str(error)) == (reason.name.lower(), error.message)
    assert error.message[0].isupper()
    assert error.message.endswith(".")


@pytest.mark.parametrize("url", ["https://localhost.example.com/", "https://10.0.0.1.example.com/"])
def test_private_looking_names(url: str) -> None:
    """A name is judged by its last labels: what only begins like a private one is public."""
    assert parse(url).target == "/"


@pytest.mark.parametrize("domain", ["mylocal", "notinternal", "arpa", "test", "example", "local.example", "0xyz", "1a"])
def test_names_beside_the_private_ones(domain: str) -> None:
    """Only whole labels make a name private, or a number."""
    assert parse(f"https://hooks.{domain}/").host == f"hooks.{domain}"


def test_longest_url() -> None:
    """2,048 characters are accepted, counted as given: an umlaut is one."""
    url = "https://bücher.example/"
    assert len(parse(url + "a" * (2048 - len(url))).target) == 2048 - len(url) + 1


@pytest.mark.parametrize("dot", ["", "."])
def test_longest_name(dot: str) -> None:
    """A name has at most 253 characters, the final dot not counted, whose labels have at most 63."""
    name = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
    assert parse(f"https://{name}{dot}/").host == name + dot
    assert refusal(f"https://{name}d{dot}/") == "invalid_host"


# Addresses


def neighbours(network: Network) -> list[Address]:
    """Return the addresses just below and just above a range, where there are any."""
    first, last = int(network.network_address), int(network.broadcast_address)
    family = type(network.network_address)
    return [family(n) for n in (first - 1, last + 1) if 0 <= n < 2**network.max_prefixlen]


def is_listed(address: Address) -> bool:
    """Whether another row of the table contains it."""
    return any(address in network for network in NOT_PUBLIC)


def in_url(address: Address) -> str:
    """Write a URL with the address as its host."""
    return f"https://[{address}]/" if isinstance(address, IPv6Address) else f"https://{address}/"


SPECIAL = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
    "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32",
    "::/128", "::1/128", "::7f00:1/128", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48",
    "100::/64", "100:0:0:1::/64", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    "2001::/32", "2001:1::1/128", "2001:2::/48", "2001:10::/28", "2001:20::/28", "2001:30::/28", "2001::/23",
    "2001:db8::/32", "2002::/16", "3fff::/20",
]  # fmt: skip


@pytest.mark.parametrize("cidr", SPECIAL)
def test_special_ranges(cidr: str) -> None:
    """No socket is opened to any special-purpose range of IANA's registries, from first to last address."""
    network = ip_network(cidr)
    assert not may_connect(network.network_address)
    assert not may_connect(str(network.broadcast_address))


@pytest.mark.parametrize("network", NOT_PUBLIC, ids=str)
def test_range_edges(network: Network) -> None:
    """A refused range ends where the table says: inside refused, just outside accepted, in URLs too."""
    for inside in (network.network_address, network.broadcast_address):
        assert not may_connect(inside)
        assert refusal(in_url(inside)) == "private_address"
    for outside in neighbours(network):
        assert may_connect(outside) is not is_listed(outside)
        if not is_listed(outside):
            assert parse(in_url(outside)).host == str(outside)


@pytest.mark.parametrize(
    "address",
    [
        "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
        "128.0.0.0", "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255",
        "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.88.100.0",
        "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "203.0.112.255", "203.0.114.0",
        "223.255.255.255", "2000::", "2000:ffff::", "2001:200::", "2001:db7:ffff::", "2001:db9::",
        "2001:ffff::", "2003::", "2606:4700:4700::1111", "3ffe:ffff::", "3fff:1000::",
        "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ],
)  # fmt: skip
def test_public_neighbours(address: str) -> None:
    """Ordinary public unicast may be connected to, right up to the special ranges."""
    assert may_connect(address)
    assert may_connect(ip_address(address))


@given(st.ip_addresses(v=6, network="::/0"))
def test_only_2000_is_public(address: IPv6Address) -> None:
    """Outside 2000::/3 no IPv6 address is public unicast (RFC 4291, 2.4)."""
    assert address in IPv6Network("2000::/3") or not may_connect(address)


@pytest.mark.parametrize("text", ["", "example.com", "8.8.8", "0x8.8.8.8", "08.8.8.8", " 8.8.8.8", "8.8.8.8/32"])
def test_no_address(text: str) -> None:
    """What is no address in canonical text may not be connected to."""
    assert not may_connect(text)


@pytest.mark.parametrize("address", ["2606:4700::1%eth0", IPv6Address("2606:4700::1%1")])
def test_zone_id(address: str | Address) -> None:
    """An IPv6 zone id is refused, on public addresses too, and no allowed network lifts that."""
    assert not may_connect(address)
    assert not may_connect(address, [ip_network("::/0")])


# Allowed networks

LAN = (ip_network("10.1.0.0/16"), ip_network("fd00:1::/32"))


@pytest.mark.parametrize("address", ["10.1.0.0", "10.1.255.255", "fd00:1::", "::ffff:10.1.2.3"])
def test_allowed(address: str) -> None:
    """An address inside an allowed network is permitted, an IPv4-mapped one by its IPv4 form."""
    assert may_connect(address, LAN)
    assert parse(in_url(ip_address(address)), LAN).host == str(ip_address(address))


@pytest.mark.parametrize("address", ["10.0.255.255", "10.2.0.0", "fd00:2::", "::ffff:10.2.0.0", "::ffff:8.8.8.8"])
def test_not_allowed(address: str) -> None:
    """Allowing one network says nothing about the addresses beside it."""
    assert not may_connect(address, LAN)
    assert refusal(in_url(ip_address(address)), LAN) == "private_address"


def test_allowed_mapped_form() -> None:
    """An IPv4-mapped address is permitted when an allowed network contains it as it stands."""
    assert may_connect("::ffff:127.0.0.1", [ip_network("::ffff:0:0/96")])


def test_allowed_leaves_public_addresses() -> None:
    """Allowing a network takes nothing away from public addresses."""
    assert may_connect("8.8.8.8", LAN)


@pytest.mark.parametrize("network", ["127.0.0.0/8", "127.0.0.1/32", "::1/128", "0.0.0.0/0"])
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost."])
def test_allowed_localhost(host: str, network: str) -> None:
    """The name localhost may be registered where an allowed network covers loopback."""
    assert parse(f"https://{host}:8443/cb", [ip_network(network)]) == (host.lower(), 8443, "/cb")


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("a.localhost", "private_host"),
        ("localhost.localdomain", "private_host"),
        ("ip6-localhost", "private_host"),
        ("printer.local", "private_host"),
        ("ⓛocalhost", "lookalike_host"),
        ("127.1", "invalid_address"),
        ("localhost:22", "forbidden_port"),
        ("u@localhost", "has_userinfo"),
    ],
)
def test_allowed_lifts_nothing_else(host: str, code: str) -> None:
    """Allowed networks lift the address table and the ban on localhost, and no other rule."""
    assert refusal(f"https://{host}/", (ip_network("0.0.0.0/0"), ip_network("::/0"))) == code


def test_localhost_needs_loopback() -> None:
    """Another allowed network, even inside 127/8, does not make localhost registrable."""
    assert refusal("https://localhost/", (*LAN, ip_network("127.0.0.2/32"))) == "private_host"


# Any text at all

RFC_3986 = set(string.ascii_letters + string.digits + "-._~:/?#[]@!$&'()*+,;=%")
ANY_CHARACTER = st.characters(exclude_categories=())
AUTHORITIES = st.sampled_from(
    ["example.com", "bücher.example", "пример.example", "xn--bcher-kva.example", "8.8.8.8", "[2606::1]"]
)
TRICKY = st.text(
    st.one_of(st.sampled_from("https://:/@?#[]%\\.-_0x127\u3002\uff0e\u00df\u200d\ud800\x00"), ANY_CHARACTER)
)


def url_or_none(url: str) -> CallbackUrl | None:
    """Parse, with None for a refusal; any other exception is a failure."""
    try:
        return parse(url)
    except InvalidCallbackUrl:
        return None


def is_well_formed(url: str) -> bool:
    """Whether all characters are of RFC 3986, but for a host that the idna package encodes."""
    foreign_host = url.partition("//")[2].partition("/")[0].partition("?")[0].partition(":")[0]
    if not foreign_host.isascii():
        url = url.replace(foreign_host, idna.encode(foreign_host, uts46=True).decode(), 1)
    return set(url) <= RFC_3986


@given(TRICKY | TRICKY.map("https://{}".format) | TRICKY.map("https://example.com{}".format))
@example("https://[\ud800]")
@example("https://xn--99999999.example/")
@example("https://" + "ü" * 2_040)
def test_any_text(text: str) -> None:
    """Whatever the text, it is refused in our words or is a well-formed URL: nothing else is raised."""
    assert url_or_none(text) is None or is_well_formed(text)


@given(AUTHORITIES, st.text(ANY_CHARACTER, max_size=3), st.text(ANY_CHARACTER, max_size=3))
def test_accepted_is_well_formed(authority: str, inserted: str, path: str) -> None:
    """No character outside RFC 3986 gets through beside a valid host, wherever it stands."""
    for url in (f"https://{inserted}{authority}/{path}", f"https://{authority}{inserted}/{path}"):
        assert url_or_none(url) is None or is_well_formed(url)


@given(AUTHORITIES, st.sampled_from(["", ":8443", ":22", ":x"]), st.text("/?a%2F#", max_size=9))
def test_case_of_scheme_and_host(authority: str, port: str, rest: str) -> None:
    """Upper or lower case in scheme and host changes neither the verdict nor the result."""
    rest = f"{port}/{rest}"
    assert url_or_none(f"HTTPS://{authority.upper()}{rest}") == url_or_none(f"https://{authority}{rest}")


@given(st.ip_addresses())
def test_literals_follow_the_table(address: IPv4Address | IPv6Address) -> None:
    """A literal may be registered exactly when a socket may be opened to it."""
    assert (url_or_none(in_url(address)) is not None) is may_connect(address)
