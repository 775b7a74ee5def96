"""What may stand under [api]: where the admin API listens, and by which tokens it is used."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from s3gc_core import config_rules as rules
from s3gc_core.config import ApiConfig, TokenConfig
from s3gc_core.config_rules import Findings, Rule, Unusable, Where
from s3gc_core.errors import Problem

_WHERE: Where = ("api",)
_TOKENS: Where = ("api", "tokens")
# Where a token is expected the token itself may have been written, whatever it looks like.
_HIDDEN = "a value (hidden)"
# Whom the token in this variable belongs to: it writes, too.
ADMIN_VARIABLE = "S3GC_ADMIN_API_KEY"
ADMIN = "admin"


# No token is longer than a file of so many bytes.
_LIMIT_BYTES = 4096


def token_text(token: TokenConfig, environ: Mapping[str, str]) -> str | None:
    """A token as it is now, None where its variable is not set. Raises `OSError` of its file."""
    if token.env:
        return environ.get(token.env)
    with Path(token.file).open("rb") as file:
        return file.read(_LIMIT_BYTES).decode("ascii", "replace").rstrip("\r\n")


def host(value: object) -> str:
    """An address or a name to listen on."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9.:_\-]{1,253}", value, re.ASCII):
        return value
    raise Unusable("an IP address or the name of this host, such as 127.0.0.1")


def variable(value: object) -> str:
    """The name of an environment variable, none of those that s3gc reads as settings."""
    named = isinstance(value, str) and re.fullmatch(r"[A-Za-z_]\w*", value, re.ASCII)
    if isinstance(value, str) and named and not value.startswith("S3GC_"):
        return value
    allowed = "the name of an environment variable that does not begin with S3GC_"
    raise Unusable(allowed, [Problem("", _HIDDEN, allowed)])


API: dict[str, Rule[Any]] = {"host": host, "port": rules.whole_number(1, 65_535)}
TOKEN: dict[str, Rule[Any]] = {
    "env": variable,
    "file": rules.absolute_file,
    "write": rules.flag,
}


def read_api(value: object, findings: Findings) -> ApiConfig:
    """The admin API as it was written. Raises nothing: what is wrong is in `findings`."""
    if isinstance(value, ApiConfig):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
        value["tokens"] = {token.name: token for token in value["tokens"]}
    if not isinstance(value, Mapping):
        findings.add(_WHERE, None, f"a table with {', '.join(API)}, tokens", said=_HIDDEN)
        return ApiConfig()
    values: dict[str, Any] = {}
    for name, written in value.items():
        if name == "tokens":
            values[name] = _tokens(written, findings)
        elif name in API:
            values[name] = findings.take((*_WHERE, name), API[name], written, None)
        else:
            findings.unknown((*_WHERE, str(name)), {*API, "tokens"})
    return ApiConfig(**values)


def _tokens(value: object, findings: Findings) -> tuple[TokenConfig, ...]:
    if not isinstance(value, Mapping):
        allowed = 'a table: name = { env = "VARIABLE", write = false }'
        findings.add(_TOKENS, None, allowed, said=_HIDDEN)
        return ()
    found = []
    for name, written in value.items():
        where: Where = (*_TOKENS, str(name))
        # It is who acts, in the audit log: never to be taken for a person or a host.
        if not re.fullmatch(r"[a-z0-9][a-z0-9_\-]{0,31}", str(name)) or name == ADMIN:
            allowed = (
                f"a name of a-z, 0-9, - and _, other than {ADMIN} (that of S3GC_ADMIN_API_KEY)"
            )
            findings.add(where, str(name), allowed)
        found.append(_token(str(name), written, findings, where))
    return tuple(found)


def _token(name: str, value: object, findings: Findings, where: Where) -> TokenConfig:
    if isinstance(value, TokenConfig):
        said = {field.name: getattr(value, field.name) for field in fields(value)}
        value = {setting: said[setting] for setting in TOKEN if said[setting]}
    if not isinstance(value, Mapping):
        allowed = '{ env = "VARIABLE" } or { file = "/path" }, never the token itself'
        findings.add(where, None, allowed, said=_HIDDEN)
        return TokenConfig(name)
    values: dict[str, Any] = {}
    for setting, written in value.items():
        if setting in TOKEN:
            values[setting] = findings.take((*where, setting), TOKEN[setting], written, "")
        else:
            findings.unknown((*where, str(setting)), TOKEN)
    if bool(value.get("env")) == bool(value.get("file")):
        findings.add(where, None, "one of env and file", said="none or both of env and file")
    return TokenConfig(name, **values)
