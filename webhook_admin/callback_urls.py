"""Which URL may be registered, which address may be connected to.

Pure: a URL is judged by its text alone, an address by one table, and nothing is looked up.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

import idna

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

NOT_PUBLIC: tuple[Network, ...] = (
    IPv4Network("0.0.0.0/8"),  # "this network", RFC 791
    IPv4Network("10.0.0.0/8"),  # private, RFC 1918
    IPv4Network("100.64.0.0/10"),  # carrier-grade NAT, RFC 6598; Alibaba's metadata
    IPv4Network("127.0.0.0/8"),  # loopback, RFC 1122
    IPv4Network("168.63.129.16/32"),  # Azure's WireServer: a public address that answers on the inside
    IPv4Network("169.254.0.0/16"),  # link-local, RFC 3927; the metadata of most clouds
    IPv4Network("172.16.0.0/12"),  # private, RFC 1918
    IPv4Network("192.0.0.0/24"),  # IETF protocol assignments, RFC 6890; Oracle's metadata
    IPv4Network("192.0.2.0/24"),  # documentation, RFC 5737
    IPv4Network("192.88.99.0/24"),  # 6to4 relays, RFC 7526
    IPv4Network("192.168.0.0/16"),  # private, RFC 1918
    IPv4Network("198.18.0.0/15"),  # benchmarks, RFC 2544
    IPv4Network("198.51.100.0/24"),  # documentation, RFC 5737
    IPv4Network("203.0.113.0/24"),  # documentation, RFC 5737
    IPv4Network("224.0.0.0/4"),  # multicast, RFC 5771
    IPv4Network("240.0.0.0/4"),  # reserved, RFC 1112; broadcast, RFC 919
    # Public unicast is handed out of 2000::/3 only (RFC 4291), so the other seven eighths are out whole.
    IPv6Network("::/3"),  # unspecified, loopback, IPv4-mapped, -translated and -compatible, NAT64, discard
    IPv6Network("4000::/2"),  # unassigned, and segment routing, RFC 9602
    IPv6Network("8000::/1"),  # unassigned, and unique local, link-local, site-local, multicast
    IPv6Network("2001::/23"),  # IETF protocol assignments, RFC 2928: Teredo, benchmarks, ORCHID
    IPv6Network("2001:db8::/32"),  # documentation, RFC 3849
    IPv6Network("2002::/16"),  # 6to4, RFC 3056: carries an IPv4 address
    IPv6Network("3fff::/20"),  # documentation, RFC 9637
)

# As `allowed`: for a URL that has been judged before, and is only cut up.
EVERYWHERE: tuple[Network, ...] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))

# RFC 6761, RFC 6762, /etc/hosts by custom, ICANN's reservation of 2024, RFC 8375, RFC 7686.
PRIVATE_DOMAINS = (".localhost", ".local", ".localdomain", ".internal", ".home.arpa", ".onion")

# https://fetch.spec.whatwg.org/#port-blocking, the table of June 2026; its 0 is no valid port here.
BAD_PORTS = frozenset((
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104,
    109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515,
    526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049,
    3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
))  # fmt: skip

MAX_LENGTH = 2_048
MAX_NAME_LENGTH = 253
MAX_PORT = 65_535

# Cuts and never judges: everything that begins with https:// matches. RFC 3986, appendix B.
PARTS = re.compile(
    r"""https://
    (?P<userinfo> [^/?#]*@ )?
    (?P<host> \[[^/?#]*\] | [^/?#:]* )
    (?: : (?P<port> [^/?#]* ) )?
    (?P<target> (?: [/?][^#]* )? )
    (?P<fragment> \#.* )?""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
FORBIDDEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\\]")
# path-abempty and query of RFC 3986, 3.3 and 3.4: the first "?" ends the one and begins the other.
TARGET = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*")
PORT = re.compile(r"[0-9]{1,5}")
LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
NAME = re.compile(rf"{LABEL}(?:\.{LABEL})*")
# https://url.spec.whatwg.org/#ends-in-a-number-checker
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class Refusal(StrEnum):
    """Why a callback URL is refused: the code, in capitals, and what to do about it."""

    TOO_LONG = "Use a callback URL of at most 2,048 characters."
    INVALID_CHARACTER = "Use only the characters of RFC 3986; percent-encode all others, such as spaces."
    NOT_HTTPS = "Begin the callback URL with https://."
    HAS_USERINFO = "Leave out the user name, the password and the @ before the host."
    HAS_FRAGMENT = "Leave out the # and what follows it: no server ever sees it."
    INVALID_HOST = "Use a DNS name: labels of 1-63 letters, digits, - or _; at most 253 characters; no %."
    LOOKALIKE_HOST = "Write the host in plain ASCII: its special characters stand for ordinary ones."
    INVALID_ADDRESS = "Write IPv4 as four decimal numbers, no leading zeros or final dot; IPv6 in brackets."
    PRIVATE_HOST = "Use a host name that the public DNS knows, such as hooks.example.com."
    PRIVATE_ADDRESS = "Use a public unicast address, or a host name."
    INVALID_PORT = "Use a port from 1 to 65535, in at most five decimal digits."
    FORBIDDEN_PORT = "Use another port, such as 443: this one belongs to a service that is not HTTPS."


class InvalidCallbackUrl(ValueError):
    """A refused URL: `code` for programs, `message` (one sentence, without the URL) for people."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.code = refusal.name.lower()
        self.message = refusal.value


class CallbackUrl(NamedTuple):
    """Where a notification goes.

    `host` is lower-case ASCII: A-labels, a dotted quad, or IPv6 compressed and without brackets.
    `target` is path and query as given, with the "/" that HTTP needs in front (RFC 9112, 3.2.1).
    """

    host: str
    port: int
    target: str

    @property
    def origin(self) -> str:
        """`https://host:port`, the port always written, IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"


def parse(url: str, allowed: Sequence[Network] = ()) -> CallbackUrl:
    """Cut up and judge a URL as RFC 3986 writes it; raise `InvalidCallbackUrl` for any other.

    `allowed` lifts the address table for literals inside it, and the ban on `localhost` where it
    covers loopback; nothing else.
    """
    if len(url) > MAX_LENGTH:
        raise InvalidCallbackUrl(Refusal.TOO_LONG)
    if FORBIDDEN.search(url):
        raise InvalidCallbackUrl(Refusal.INVALID_CHARACTER)
    parts = PARTS.fullmatch(url)
    if parts is None:
        raise InvalidCallbackUrl(Refusal.NOT_HTTPS)
    if parts["userinfo"] is not None:
        raise InvalidCallbackUrl(Refusal.HAS_USERINFO)
    if parts["fragment"] is not None:
        raise InvalidCallbackUrl(Refusal.HAS_FRAGMENT)
    return CallbackUrl(_host(parts["host"], allowed), _port(parts["port"]), _target(parts["target"]))


def may_connect(address: str | Address, allowed: Sequence[Network] = ()) -> bool:
    """Whether a socket may be opened to this address: one in `allowed`, or public unicast.

    What is not public unicast, IANA's special-purpose registries say (RFC 6890). An IPv4-mapped address
    counts as allowed where its IPv4 form is. False for text that is no address, and for any zone id.
    """
    if isinstance(address, str):
        try:
            address = ip_address(address)
        except ValueError:
            return False
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return False
    return _is_allowed(address, allowed) or not any(address in network for network in NOT_PUBLIC)


def _is_allowed(address: Address, allowed: Sequence[Network]) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any(address in network or (mapped and mapped in network) for network in allowed)


def _host(text: str, allowed: Sequence[Network]) -> str:
    # Here and not left to the grammars below: ipaddress would take a zone id, some clients decode %6c.
    if "%" in text:
        raise InvalidCallbackUrl(Refusal.INVALID_HOST)
    if text.startswith("["):
        return _literal(IPv6Address, text[1:-1], allowed)
    name = _to_ascii(text)
    bare = name.removesuffix(".")
    if NUMBER.fullmatch(bare.rpartition(".")[2]):
        return _literal(IPv4Address, name, allowed)
    _check_name(bare, allowed)
    return name


def _literal(family: type[Address], text: str, allowed: Sequence[Network]) -> str:
    try:
        address = family(text)
    except AddressValueError:
        raise InvalidCallbackUrl(Refusal.INVALID_ADDRESS) from None
    if not may_connect(address, allowed):
        raise InvalidCallbackUrl(Refusal.PRIVATE_ADDRESS)
    return str(address)


def _to_ascii(host: str) -> str:
    """Lower case and A-labels, by UTS 46 non-transitional."""
    try:
        mapped = host.lower() if host.isascii() else idna.uts46_remap(host, std3_rules=True)
        name = ".".join(map(_to_alabel, mapped.split(".")))
    except idna.IDNAError:
        raise InvalidCallbackUrl(Refusal.INVALID_HOST) from None
    if mapped.isascii() and not host.isascii():
        raise InvalidCallbackUrl(Refusal.LOOKALIKE_HOST)
    return name


def _to_alabel(label: str) -> str:
    # r3---sn-abc and _x are in use though no IDNA: only what claims to be an A-label is held to it.
    if label.isascii() and not label.startswith("xn--"):
        return label
    return idna.alabel(label).decode()


def _check_name(name: str, allowed: Sequence[Network]) -> None:
    if len(name) > MAX_NAME_LENGTH or not NAME.fullmatch(name):
        raise InvalidCallbackUrl(Refusal.INVALID_HOST)
    if name == "localhost" and any(may_connect(loopback, allowed) for loopback in ("127.0.0.1", "::1")):
        return
    if "." not in name or f".{name}".endswith(PRIVATE_DOMAINS):
        raise InvalidCallbackUrl(Refusal.PRIVATE_HOST)


def _port(text: str | None) -> int:
    if not text:
        return 443
    if not PORT.fullmatch(text) or not 1 <= int(text) <= MAX_PORT:
        raise InvalidCallbackUrl(Refusal.INVALID_PORT)
    if int(text) in BAD_PORTS:
        raise InvalidCallbackUrl(Refusal.FORBIDDEN_PORT)
    return int(text)


def _target(text: str) -> str:
    if not TARGET.fullmatch(text):
        raise InvalidCallbackUrl(Refusal.INVALID_CHARACTER)
    return text if text.startswith("/") else f"/{text}"
