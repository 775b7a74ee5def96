"""Bearer tokens: whose they are, and what they allow. Only their hashes are kept."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from s3gc_core.config import ApiConfig, TokenConfig
from s3gc_core.config_api import ADMIN, ADMIN_VARIABLE, token_text
from s3gc_core.errors import ConfigurationError, Problem

# What a header can carry without being cut or encoded, and nobody guesses.
_TOKEN = re.compile(r"[!-~]{12,512}")
_ALLOWED = "12 to 512 printable ASCII characters without a space"


@dataclass(frozen=True, slots=True)
class Token:
    """A named token. `digest` is its SHA-256."""

    name: str
    may_write: bool
    digest: bytes = field(repr=False)

    @property
    def actor(self) -> str:
        """Who acts with it, as the audit log says."""
        return f"api:{self.name}"


def has_token(api: ApiConfig, environ: Mapping[str, str]) -> bool:
    """Whether anybody was given a token, so that the admin API is wanted."""
    return bool(api.tokens) or ADMIN_VARIABLE in environ


def read_tokens(api: ApiConfig, environ: Mapping[str, str]) -> tuple[Token, ...]:
    """All tokens, read now. Raises one `ConfigurationError` that lists every one that is not there
    or of no use, and where there is none at all: without a token nobody is answered.
    """
    problems: list[Problem] = []
    secrets = {f"api.tokens.{t.name}": (t, _secret(t, environ, problems)) for t in api.tokens}
    if ADMIN_VARIABLE in environ:
        admin = TokenConfig(ADMIN, ADMIN_VARIABLE, write=True)
        secrets[ADMIN_VARIABLE] = admin, environ[ADMIN_VARIABLE]
    elif not api.tokens:
        allowed = "a token in it, or one named in [api.tokens]: nobody is answered without"
        problems.append(Problem(ADMIN_VARIABLE, "nothing", allowed))
    tokens: list[Token] = []
    for setting, (one, secret) in secrets.items():
        if secret is None:
            continue
        if not _TOKEN.fullmatch(secret):
            problems.append(Problem(setting, "this token (hidden)", _ALLOWED))
            continue
        digest = _digest(secret)
        same = [token.name for token in tokens if token.digest == digest]
        if same:
            # Nobody could tell who acts.
            allowed = f"a token of its own, not that of {same[0]}"
            problems.append(Problem(setting, "this token (hidden)", allowed))
        tokens.append(Token(one.name, one.write, digest))
    if problems:
        raise ConfigurationError(problems, origin="admin API")
    return tuple(tokens)


def whose(tokens: Sequence[Token], authorization: str | None) -> Token | None:
    """Whose token an Authorization header holds; None for nobody's.

    All are compared, each in constant time: how long it takes tells nothing about any of them.
    """
    scheme, _, given = (authorization or "").partition(" ")
    digest = _digest(given.strip(" "))
    found = [token for token in tokens if hmac.compare_digest(token.digest, digest)]
    return found[0] if found and scheme.lower() == "bearer" else None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _secret(token: TokenConfig, environ: Mapping[str, str], problems: list[Problem]) -> str | None:
    setting = f"api.tokens.{token.name}"
    try:
        text = token_text(token, environ)
    except OSError as error:
        allowed = f"a token in the file {token.file} ({error.strerror})"
        problems.append(Problem(setting, "nothing", allowed))
        return None
    if text is None:
        allowed = f"a token in the environment variable {token.env}"
        problems.append(Problem(setting, "nothing", allowed))
    return text
