"""What each setting may be: pure functions from what was written to the value, or `Unusable`."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from s3gc_core import key_template
from s3gc_core.config import (
    IMAGES_SENTENCE,
    Caution,
    CdcOver,
    Checksums,
    Codec,
    DatabaseSearch,
    Durability,
    Encryption,
    Heal,
    Images,
    Mode,
    RequestPayer,
    UnsafeStore,
)
from s3gc_core.config_schedule import ALLOWED as SCHEDULE_ALLOWED
from s3gc_core.config_schedule import BadSchedule, parse_schedule
from s3gc_core.database_url import ALLOWED, DatabaseUrl, Engine
from s3gc_core.errors import ConfigurationError, Problem
from s3gc_core.redaction import shown, shown_url

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

# Where a value stands: ("tables", "users", 0, "codec").
Where = tuple[str | int, ...]

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]")
_BUCKET_ARN = re.compile(r"arn:aws[a-z\-]*:s3[a-z\-]*:[a-z0-9\-]*:[0-9]*:[A-Za-z0-9:/._\-]+")
_IP_ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = (".mrap", "--ol-s3", "--table-s3")
_WEB_URL = re.compile(r"https?://(?:[\w.\-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[^\s?#@]*)?")
# Plain names only, so that no store takes it for another place.
_SCRATCH = re.compile(r"(?:(?!\.{1,2}/)[A-Za-z0-9_.\-]{1,100}/){1,4}")
_NAME = re.compile(r"[A-Za-z0-9_\-]{1,63}")
_PART = r"(?:\"(?:[^\"]|\"\")+\"|`(?:[^`]|``)+`|[^\s.\"`][^.]*)"
_TABLE = re.compile(rf"{_PART}(?:\.{_PART})*")

RETENTION_FLOOR = "1 day is the floor: objects younger than 24 hours may be uploads in flight"


class Unusable(Exception):
    """A rule says no; the text completes "allowed: ...".

    Where the rule names `parts` of the value that are wrong, they are told, and no value is shown.
    """

    def __init__(self, allowed: str, parts: Sequence[Problem] = ()) -> None:
        super().__init__(allowed)
        self.parts = tuple(parts)


Rule = Callable[[object], T]


class Findings:
    """Everything wrong so far. `label(where, value)` says how to name a place to the operator."""

    def __init__(self, label: Callable[[Where, object], str]) -> None:
        self.problems: list[Problem] = []
        self._label = label

    def add(self, where: Where, value: object, allowed: str, *, said: str | None = None) -> None:
        """Note a problem. `said` stands for the value where the value itself says nothing."""
        text = said or (shown_url if _holds_url(where) else shown)(value)
        self.problems.append(Problem(self._label(where, value), text, allowed))

    def take(self, where: Where, rule: Rule[T], value: object, otherwise: T) -> T:
        """The value as the rule makes it; where the rule says no, a problem and `otherwise`."""
        try:
            return rule(value)
        except Unusable as unusable:
            if not unusable.parts:
                self.add(where, value, str(unusable))
            for part in unusable.parts:
                self.add(where, value, part.allowed, said=part.value)
            return otherwise

    def unknown(self, where: Where, names: Iterable[str]) -> None:
        """Note a name that no setting has. Its value is not shown: nobody knows what it is."""
        allowed = sorted(names)
        meant = did_you_mean(where[-1], allowed)
        self.add(where, None, meant or f"one of {', '.join(allowed)}", said="an unknown name")


def _holds_url(where: Where) -> bool:
    # A source's `database` is a name, but a URL may be written there by mistake.
    # So may it in a list, whose commas then cut the password out of it.
    return where[-1] in ("endpoint_url", "database") or where[0] in ("cdn_bases", "url_patterns")


def did_you_mean(word: object, names: Iterable[str]) -> str:
    """`did you mean "mode"?`, or nothing where no name is close."""
    by_lower = {name.lower(): name for name in names}
    close = get_close_matches(str(word).lower(), list(by_lower), n=1, cutoff=0.6)
    return f'did you mean "{by_lower[close[0]]}"?' if close else ""


def text(value: object) -> str:
    """A text that is not blank."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise Unusable("a text that is not empty")
    return value


def flag(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Unusable("true or false")
    return value


def whole_number(low: int, high: int, note: str = "") -> Rule[int]:
    """A rule for whole numbers `low..high`. True is no number."""

    def rule(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise Unusable(f"a whole number from {low} to {high}" + (f"; {note}" if note else ""))
        return value

    return rule


def share(value: object) -> float:
    """A share above 0, up to 1 (all)."""
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if not 0 < number <= 1:  # NaN fails every comparison
        raise Unusable("a number above 0, at most 1")
    return float(number)


def price(value: object) -> float:
    """An amount of money, possibly nothing."""
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if not 0 <= number < math.inf:
        raise Unusable("a number of at least 0")
    return float(number)


def one_of(members: type[E]) -> Rule[E]:
    """A rule for the values of an enumeration."""
    names = [str(member) for member in members]

    def rule(value: object) -> E:
        if isinstance(value, str) and value in names:
            return members(value)
        meant = did_you_mean(value, names) if isinstance(value, str) else ""
        raise Unusable(", ".join(names) + (f"; {meant}" if meant else ""))

    return rule


mode: Rule[Mode] = one_of(Mode)
request_payer: Rule[RequestPayer] = one_of(RequestPayer)
checksums: Rule[Checksums] = one_of(Checksums)
caution: Rule[Caution] = one_of(Caution)
heal: Rule[Heal] = one_of(Heal)
images: Rule[Images] = one_of(Images)
database_search: Rule[DatabaseSearch] = one_of(DatabaseSearch)
unsafe_store: Rule[UnsafeStore] = one_of(UnsafeStore)
encryption: Rule[Encryption] = one_of(Encryption)
durability: Rule[Durability] = one_of(Durability)
codec: Rule[Codec] = one_of(Codec)
engine: Rule[Engine] = one_of(Engine)
cdc_over: Rule[CdcOver] = one_of(CdcOver)


def bucket_name(value: object) -> str:
    """A bucket by the naming rules of S3 ("Bucket naming rules"), or an access point's ARN.

    Access point aliases (`...-s3alias`) are names that requests may use, so they pass.
    """
    if isinstance(value, str) and (
        _BUCKET_ARN.fullmatch(value)
        or (
            _BUCKET.fullmatch(value)
            and ".." not in value
            and not _IP_ADDRESS.fullmatch(value)
            and not value.startswith(_RESERVED_PREFIXES)
            and not value.endswith(_RESERVED_SUFFIXES)
        )
    ):
        return value
    raise Unusable(
        "3 to 63 lower-case letters, digits, dots and hyphens, first and last a letter or digit, "
        "no two dots together, no IP address, no reserved prefix or suffix; or an ARN"
    )


def region(value: object) -> str:
    """A region's name; stores other than AWS have their own, such as `auto`."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Unusable('the name of a region, such as "us-east-1"')
    return value


def web_url(value: object) -> str:
    """An http(s) URL without credentials, query and fragment."""
    if not isinstance(value, str) or not _WEB_URL.fullmatch(value) or not value.isprintable():
        raise Unusable("an http:// or https:// URL without user, password, query and fragment")
    return value


def endpoint_url(value: object) -> str:
    """The object store's URL; empty for AWS."""
    return "" if value == "" else web_url(value)


def account(value: object) -> str:
    """An AWS account; empty for any."""
    if isinstance(value, str) and re.fullmatch("([0-9]{12})?", value, re.ASCII):
        return value
    raise Unusable('the 12 digits of an AWS account in quotes, or "" not to ask')


def prefix(value: object) -> str:
    """The beginning of keys that are never touched."""
    if not isinstance(value, str) or not value or value.startswith("/"):
        raise Unusable(
            "a text that keys begin with, without leading slash; an empty one would exclude all"
        )
    return value


def budget_prefix(value: object) -> str:
    """The beginning of keys that have a budget of their own."""
    if not isinstance(value, str) or not value or value.startswith("/") or "\0" in value:
        raise Unusable(
            "a text that keys begin with, without leading slash; the bucket's own budget"
            " stands under [guards]"
        )
    return value


def scratch_prefix(value: object) -> str:
    """A folder of the bucket that is ours alone."""
    if not isinstance(value, str) or not _SCRATCH.fullmatch(value):
        raise Unusable('a prefix of the bucket that ends in a slash, such as ".s3gc-drill/"')
    return value


def pattern(value: object) -> str:
    """A shell glob over whole keys."""
    if not isinstance(value, str) or not value.strip("*"):
        raise Unusable('a shell glob such as "*.keep"; "*" alone would exclude everything')
    return value


def vault_path(value: object) -> Path:
    """A folder; `~` is the user's home."""
    if isinstance(value, (str, os.PathLike)):
        written = os.fspath(value)
        if isinstance(written, str) and written.strip() and "\0" not in written:
            try:
                return Path(written).expanduser()
            except RuntimeError:
                raise Unusable("a folder; the home folder of ~ cannot be found") from None
    raise Unusable("the path of a folder")


def absolute_file(value: object) -> str:
    """A file by its absolute path, or none."""
    if value == "":
        return ""
    if not isinstance(value, str) or "\0" in value or not Path(value).is_absolute():
        raise Unusable('the absolute path of a file, or "" for none')
    if value.endswith(("/", "/.", "/..")):
        raise Unusable("the path of a file, not of a folder")
    return value


def images_acknowledged(value: object) -> str:
    """The sentence that allows lossy pictures, or nothing."""
    if value not in ("", IMAGES_SENTENCE):
        raise Unusable(f'"{IMAGES_SENTENCE}", word for word, or ""')
    return str(value)


def recipient(value: object) -> str:
    """A public key of age, X25519: `age1` and 58 more (age-encryption.org/v1, "X25519")."""
    if isinstance(value, str) and re.fullmatch(r"age1[02-9ac-hj-np-z]{58}", value):
        return value
    raise Unusable("an age public key: age1 and 58 letters and digits (never the secret one)")


def anchor_key(value: object) -> str:
    """The public half of a key that signs anchors, as `s3gc vault keygen --anchor` tells it."""
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value):
        return value
    raise Unusable("the public key that s3gc vault keygen --anchor told: 64 of 0-9 and a-f")


def schedule(value: object) -> str:
    """`HH:MM` or five cron fields, UTC."""
    if not isinstance(value, str):
        raise Unusable(SCHEDULE_ALLOWED)
    try:
        parse_schedule(value)
    except BadSchedule as bad:
        raise Unusable(str(bad)) from None
    return value


def optional_schedule(value: object) -> str:
    """As `schedule`, or empty for never."""
    return "" if value == "" else schedule(value)


def database_url(value: object) -> str:
    """The URL of an application database, as it is; `DatabaseUrl` judges it."""
    if not isinstance(value, str):
        raise Unusable(ALLOWED)
    try:
        DatabaseUrl.parse(value)
    except ConfigurationError as error:
        allowed = "; ".join(f"{part.value}: {part.allowed}" for part in error.problems)
        raise Unusable(allowed, error.problems) from None
    return value


def database_name(value: object) -> str:
    """The name a database has in sources and reports."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Unusable("1 to 63 letters, digits, - and _")
    return value


def table_name(value: object) -> str:
    """`table` or `schema.table`; a part with a dot in it stands in SQL quotes."""
    if not _TABLE.fullmatch(text(value)):
        raise Unusable('table, schema.table, or "odd.schema"."odd table" in its quotes')
    return text(value)


def skipped_table(value: object) -> str:
    """A table by any of its names, its database before a colon or not."""
    name = table_name(value)
    if not re.search(r"\w", name):
        raise Unusable("table, schema.table or database:schema.table")
    return name


def template_columns(template: str) -> tuple[str, ...]:
    """The columns that a template such as `files/{id[0:2]}/{id}` reads, each once, in order."""
    try:
        return key_template.parse_template(template).columns
    except key_template.BadTemplate as bad:
        raise Unusable(f"{key_template.ALLOWED} ({bad})") from None
