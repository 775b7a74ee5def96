"""The profiles that one service serves: each has a vault, and streams, of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from s3gc_core.actions.operations import make_vault_folder
from s3gc_core.config import Config
from s3gc_core.errors import ConfigurationError, Problem
from s3gc_core.references import Registry


@dataclass(frozen=True, slots=True)
class Profile:
    """A configuration, its name, and the global options with which a child finds it."""

    name: str
    options: tuple[str, ...]
    config: Config


async def refuse_shared(profiles: Sequence[Profile]) -> None:
    """Raise `ConfigurationError` where two profiles share what each must have alone."""
    if problems := await shared(profiles):
        raise ConfigurationError(problems, origin="profiles")


async def shared(profiles: Sequence[Profile]) -> list[Problem]:
    """Where two profiles share a vault, a file of anchors, or a change stream (as a copied vault
    would): what one records, the other would take for its own.
    """
    problems: list[Problem] = []
    owners: dict[tuple[str, str], str] = {}
    for profile in profiles:
        for what, value, allowed in await _own(profile):
            owner = owners.setdefault((what, value), profile.name)
            if owner != profile.name:
                names = f"{value}, in profiles {owner} and {profile.name}"
                problems.append(Problem(what, names, allowed))
    return problems


async def _own(profile: Profile) -> list[tuple[str, str, str]]:
    """What nobody else may have: the setting, its value, what is allowed instead."""
    vault = profile.config.vault_path
    make_vault_folder(vault)
    found = [("vault_path", str(vault.resolve()), "a vault for each profile")]
    if profile.config.audit_anchor_file:
        found.append(("audit_anchor_file", profile.config.audit_anchor_file, "one for each vault"))
    registry = await Registry.open(vault)
    try:
        streams = await registry.streams()
    finally:
        await registry.close()
    allowed = "a stream for each vault; `s3gc follow --reload` begins one anew"
    found += [("change stream", state.name, allowed) for state in streams.values()]
    return found
