"""How values of the operator appear in messages: without a secret, cleaned, and short.

Nobody can tell a password from another word, so what may hold one is hidden rather than searched:
everything before the last `@` of a URL, its query, and any text that looks like credentials.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from urllib.parse import unquote

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://(.*)", re.DOTALL)
_HOST = r"(?:[\w.\-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_ADDRESS = re.compile(rf"{_HOST}(?:,{_HOST})*(?:/.*)?", re.DOTALL)
_CREDENTIAL = re.compile(
    r"(?:pass|pwd|secret|token|credential|api_?key|access_?key)\w*[\"']?\s*[=:]"
    r"|AGE-SECRET-KEY-|S3GC-ANCHOR-KEY-",
    re.IGNORECASE,
)
_LONGEST = 80
# A URL inside of a text ends where no URL goes on; quotes may be a part of a password.
_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://\S+")
_ASSIGNED = re.compile(
    r"((?:pass|pwd|secret|token|credential|api_?key|access_?key)\w*[\"']?\s*[=:]\s*)"
    r"(?:Bearer\s+)?(?:\"[^\"]*\"|'[^']*'|[^\s,;&\"']+)",
    re.IGNORECASE,
)
# Variables whose values are secrets, or hold one.
_SECRET_VARIABLES = re.compile(r".*(?:PASS|SECRET|TOKEN|CREDENTIAL|API_?KEY|ACCESS_KEY).*")
# A shorter one would be found in every text.
_SHORTEST = 6
HIDDEN = "***"


def redact_url(url: str) -> str:
    """The URL without password and query: `mysql://app:***@db.example:3306/shop`.

    Where it cannot be told for certain what is the password, only the scheme is left.
    """
    match = _URL.fullmatch(url)
    if match is None:
        return "***"
    scheme, rest = match.groups()
    credentials, at, place = rest.rpartition("@")
    address = re.split(r"[?#]", place, maxsplit=1)[0]
    # An unescaped / ? or # in a password moves the borders: then nothing of the rest is certain.
    # Without an @ a colon may stand before a port, or before a password whose host is missing.
    ambiguous = not at and ":" in re.sub(r"\[.*?\]", "", place.partition("/")[0])
    if ambiguous or re.search(r"[/?#]", credentials) or not _ADDRESS.fullmatch(address):
        return f"{scheme}://***"
    user, colon, _ = credentials.partition(":")
    shown_user = f"{user}:***" if colon else "***"
    query = "?***" if address != place else ""
    return f"{scheme}://{shown_user + at if at else ''}{address}{query}"


def shown(value: object) -> str:
    """A setting's value for a message; control characters escaped, secrets hidden."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int():
            return str(int(value)) if abs(value) < 10**18 else "a number of more than 18 digits"
        case float():
            return repr(float(value))
        case str() | PurePath():
            return _shown_text(str(value))
        case Mapping():
            return "a table"
        case list() | tuple():
            return f"a list of {len(value)}"
        case _:
            return f"a value of type {type(value).__name__}"


def shown_url(value: object) -> str:
    """As `shown`, for a setting that should be a URL: what is none is not printed at all."""
    if isinstance(value, str) and value and "://" not in value:
        return "a text that is no URL (hidden)"
    return shown(value)


def _shown_text(text: str) -> str:
    if "://" in text:
        text = redact_url(text)
    elif "@" in text or _CREDENTIAL.search(text):
        return "a text that may hold a secret (hidden)"
    return repr(text if len(text) <= _LONGEST else text[:_LONGEST] + "...")


class Scrubber:
    """Takes secrets out of texts that others wrote: exceptions of drivers, messages of libraries.

    Those that it was told of, wherever they stand; and by their form URLs with credentials, and
    what is assigned to a name such as `password`.
    """

    def __init__(self) -> None:
        self._known: list[str] = []

    def learn(self, secrets: Iterable[str]) -> None:
        """Hide these from now on, but for those of a few characters, which any text has."""
        known = {*self._known, *(secret for secret in secrets if len(secret) >= _SHORTEST)}
        # The longest first: one may be a part of another.
        self._known = sorted(known, key=len, reverse=True)

    def scrubbed(self, text: str) -> str:
        """The text without them."""
        for secret in self._known:
            text = text.replace(secret, HIDDEN)
        if "://" in text:
            text = _IN_TEXT.sub(_redacted, text)
        return _ASSIGNED.sub(rf"\1{HIDDEN}", text)


def secrets_of_environment(environment: Mapping[str, str]) -> list[str]:
    """Values of variables that are secrets by their name, and those in URLs."""
    found = [v for name, v in environment.items() if _SECRET_VARIABLES.fullmatch(name.upper())]
    for value in environment.values():
        if "://" in value:
            found += secrets_of_url(value)
    return found


def secrets_of_url(url: str) -> list[str]:
    """What of a URL nobody may see, as it is written and as it is meant: password and query."""
    _, _, rest = url.partition("://")
    credentials, at, place = rest.rpartition("@")
    secrets = [credentials.partition(":")[2]] if at else []
    secrets += [value for value in re.split(r"[?&]", place)[1:] if value]
    secrets += [secret.partition("=")[2] for secret in secrets]
    return [form for secret in secrets if secret for form in (secret, unquote(secret))]


def _redacted(match: re.Match[str]) -> str:
    # Only what may hold a secret: object keys and documentation are full of other URLs.
    url = match.group()
    return redact_url(url) if "@" in url or "?" in url else url
