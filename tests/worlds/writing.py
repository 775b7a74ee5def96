"""How applications write keys into a column: one `Way` each, from keys to a value.

Written from the formats' own documents and from what frameworks do; shares nothing with s3gc.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from tests.worlds.model import CDN_BASE, Holds, Value

Keys = Sequence[str]


def anything(key: str) -> bool:
    """For ways that can write every key."""
    return bool(key)


@dataclass(frozen=True, slots=True)
class Way:
    """One way of writing; `fits` tells which keys it can carry, `several` whether it takes many.

    `read` is how many of the keys the declared codec sees; the rest only a wide search finds.
    """

    name: str
    write: Callable[[Keys], Value]
    fits: Callable[[str], bool] = anything
    several: bool = False
    holds: tuple[Holds, ...] = (Holds.TEXT, Holds.VARCHAR)
    read: int | None = None


def one(
    name: str, write: Callable[[str], str], fits: Callable[[str], bool] = anything, **more: object
) -> Way:
    """A way that writes a single key."""
    return Way(name, lambda keys: write(keys[0]), fits, **more)  # type: ignore[arg-type]


def path(key: str) -> str:
    """Percent-encoded as in the path of a URL."""
    return quote(key, safe="/")


def lower_hex(key: str) -> str:
    """The same with %2f for %2F."""
    return re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), quote(key, safe=""))


def fully(key: str) -> str:
    """Every byte that is no ASCII letter or digit, percent-encoded."""
    return "".join(chr(b) if chr(b).isalnum() and b < 128 else f"%{b:02X}" for b in key.encode())


def _one_form(key: str) -> bool:
    """Whether Unicode's forms lead back to the key: a mixture of the two does not come back."""
    return key in (unicodedata.normalize("NFC", key), unicodedata.normalize("NFD", key))


def trimmed(key: str) -> bool:
    """Whether nothing is lost when white space around the key is."""
    return key == key.strip()


def no(characters: str, *, inside: Callable[[str], bool] = anything) -> Callable[[str], bool]:
    """Keys without any of the characters."""
    return lambda key: inside(key) and not set(characters) & set(key)


def as_windows(key: str) -> str:
    """The key's UTF-8, taken for Windows-1252 as MySQL does, byte for byte."""
    return "".join(bytes([code]).decode("cp1252", "ignore") or chr(code) for code in key.encode())


def of_latin(key: str) -> bool:
    """Whether Latin-1 has the key's characters, and its bytes are not also UTF-8."""
    try:
        data = key.encode("latin-1")
        found = re.findall(rb"[\x80-\xff]+", data)
        return bool(found) and not any(_is_utf_8(part) for part in found)
    except UnicodeEncodeError:
        return False


def _is_utf_8(data: bytes) -> bool:
    try:
        return bool(data.decode())
    except UnicodeDecodeError:
        return False


KEY: tuple[Way, ...] = (
    one("plain", str),
    one("leading slash", lambda key: "/" + key),
    one("leading slash, percent-encoded", lambda key: "/" + path(key)),
    one("dot slash", lambda key: "./" + key),
    one("a step up", lambda key: "../" + key),
    one("a step up from a folder", lambda key: f"posts/../{key}"),
    one("steps up, percent-encoded", lambda key: quote(f"a/b/../../{key}", safe="")),
    one("percent-encoded", path),
    one("percent-encoded, slashes too", lambda key: quote(key, safe="")),
    one("percent-encoded in lower case", lower_hex),
    one("percent-encoded, every sign", fully),
    one("percent-encoded twice", lambda key: quote(path(key), safe="/")),
    one("percent-encoded twice, slashes too", lambda key: quote(quote(key, safe=""), safe="")),
    one("form-encoded", quote_plus),
    one("form-encoded, slashes stay", lambda key: quote_plus(key, safe="/")),
    one("NFC", lambda key: unicodedata.normalize("NFC", key), _one_form),
    one("NFD", lambda key: unicodedata.normalize("NFD", key), _one_form),
    one("NFC, percent-encoded", lambda key: path(unicodedata.normalize("NFC", key)), _one_form),
    one("HTML-escaped", html.escape),
    one("HTML-escaped by number", lambda key: "".join(_numbered(sign) for sign in key)),
    one("inside of a JSON string", lambda key: json.dumps(key)[1:-1]),
    one("inside of a JSON string, \\/", lambda key: json.dumps(key)[1:-1].replace("/", "\\/")),
    one("backslashes", lambda key: key.replace("/", "\\")),
    # Where a colon stands before the slash, a URL comes out.
    one("double slashes", lambda key: key.replace("/", "//"), lambda key: ":/" not in key),
    one("UTF-8 read as Latin-1", lambda key: key.encode().decode("latin-1"), trimmed),
    one("UTF-8 read as Windows-1252", as_windows, trimmed),
    one("percent-encoded in Latin-1", lambda key: quote(key, encoding="latin-1"), of_latin),
    one("spaces around", lambda key: f"  {key} \n", trimmed),
)


def _numbered(sign: str) -> str:
    return sign if sign.isalnum() and sign.isascii() else f"&#{ord(sign)};"


_JSON = (Holds.TEXT, Holds.JSON, Holds.BINARY_JSON)


def _escaped(key: str) -> str:
    return "".join(f"\\u{unit:04x}" for unit in _units(key))


def _units(key: str) -> list[int]:
    data = key.encode("utf-16-be")
    return [data[i] << 8 | data[i + 1] for i in range(0, len(data), 2)]


JSON: tuple[Way, ...] = (
    one("JSON string", json.dumps, holds=_JSON),
    one("JSON string as it is", lambda key: json.dumps(key, ensure_ascii=False), holds=_JSON),
    one("JSON, \\/", lambda key: json.dumps({"src": key}).replace("/", "\\/"), holds=_JSON),
    one("JSON, \\uXXXX only", lambda key: f'{{"src": "{_escaped(key)}"}}', holds=_JSON),
    Way("JSON array", lambda keys: json.dumps(list(keys)), several=True, holds=_JSON),
    Way(
        "JSON, nested",
        lambda keys: json.dumps({"blocks": [{"image": {"src": key, "w": 2}} for key in keys]}),
        several=True,
        holds=_JSON,
    ),
    Way(
        "JSON, member names",
        lambda keys: json.dumps({key: {"alt": "x"} for key in keys}, ensure_ascii=False),
        several=True,
        holds=_JSON,
    ),
    one("JSON inside JSON", lambda key: json.dumps(json.dumps({"a": [key]})), holds=_JSON),
    one("JSON in a member of JSON", lambda key: json.dumps({"m": json.dumps([key])}), holds=_JSON),
    one("CDN URL in JSON", lambda key: json.dumps({"u": CDN_BASE + path(key)}), holds=_JSON),
    one("JSON, space around", lambda key: f"\n\t {json.dumps([[key]], indent=1)} ", holds=_JSON),
    one("JSON, percent-encoded", lambda key: json.dumps({"a": path(key)}), holds=_JSON),
)
JSON_PATH = "$.image.src"
AT_JSON_PATH: tuple[Way, ...] = (
    Way(
        "JSON, one path",
        lambda keys: json.dumps({"image": {"src": keys[0]}, "others": list(keys[1:])}),
        several=True,
        holds=_JSON,
        read=1,
    ),
)


def _element(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _array(keys: Keys) -> str:
    return "{" + ",".join([_element(key) for key in keys] + ["NULL"]) + "}"


ARRAY: tuple[Way, ...] = (
    Way("array", lambda keys: (*keys, None), several=True, holds=(Holds.ARRAY,)),
    Way("array literal", _array, several=True),
    Way("nested array literal", lambda keys: "{" + _array(keys) + "}", several=True),
    Way(
        "array literal without quotes",
        lambda keys: "{" + ",".join(keys) + "}",
        no('{},"\\ \t\r\n\v\f\0', inside=lambda key: key.upper() != "NULL"),
        several=True,
    ),
    Way(
        "array literal of URLs",
        lambda keys: _array([CDN_BASE + path(key) for key in keys]),
        several=True,
    ),
)


def _field(text: str, separator: str, *, always: bool = False) -> str:
    if always or set(text) & set(f'{separator}"\r\n') or text != text.strip():
        doubled = text.replace('"', '""')
        return f'"{doubled}"'
    return text


def csv_ways(separator: str) -> tuple[Way, ...]:
    """Fields as RFC 4180 writes them, with a separator of choice."""

    def line(keys: Keys, *, always: bool = False, gap: str = "") -> str:
        return (separator + gap).join(_field(key, separator, always=always) for key in keys)

    return (
        Way("CSV", line, several=True),
        Way("CSV, all quoted", lambda keys: line(keys, always=True), several=True),
        Way(
            "CSV, one field a line",
            lambda keys: "\r\n".join(f"{n}{separator}{line([key])}" for n, key in enumerate(keys)),
            several=True,
        ),
        Way(
            "CSV, space after the separator",
            lambda keys: line(keys, gap=" "),
            no(f'{separator}"\r\n', inside=trimmed),
            several=True,
        ),
        Way(
            "CSV of URLs",
            lambda keys: line([CDN_BASE + quote(key, safe="/") for key in keys]),
            several=True,
        ),
    )


NAMED_PATTERN = r"image:(?P<key>[^|\n]+)\|"
NUMBERED_PATTERN = r"blob<<([^>]+)>>"
REGEX_NAMED: tuple[Way, ...] = (
    Way(
        "regex with a named group",
        lambda keys: "v1|" + "".join(f"image:{key}|w=300|" for key in keys),
        no("|\n"),
        several=True,
    ),
    one("regex, percent-encoded", lambda key: f"image:{path(key)}|"),
)
REGEX_NUMBERED: tuple[Way, ...] = (
    Way(
        "regex with a group",
        lambda keys: " and ".join(f"blob<<{key}>>" for key in keys),
        no("<>"),
        several=True,
    ),
)
