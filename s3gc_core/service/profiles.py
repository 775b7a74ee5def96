"""The profiles that one service serves: each has a vault, and streams, of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from s3gc_core.actions.operations import make_vault_folder
from s3gc_core.config import Config
from s3gc_core.errors import ConfigurationError, Problem
from s3gc_core.references import Registry

# What nobody else may have: the setting, its value, what is allowed instead.
_Own = tuple[str, str, str]


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
    would): what one records, the other would take for its own. Two of one name are told apart by
    nothing.
    """
    names = [profile.name for profile in profiles]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        allowed = "a name for each: files of other names"
        return [Problem("profile", f"{name}, twice", allowed) for name in twice]
    return _twice({profile.name: await _own(profile) for profile in profiles})


def shared_places(profiles: Mapping[str, Config]) -> list[Problem]:
    """As `shared`, by what is written: nothing is opened, so that streams are not compared."""
    return _twice({name: _places(config) for name, config in profiles.items()})


def _twice(owned: Mapping[str, Sequence[_Own]]) -> list[Problem]:
    problems: list[Problem] = []
    owners: dict[tuple[str, str], str] = {}
    for name, things in owned.items():
        for what, value, allowed in things:
            owner = owners.setdefault((what, value), name)
            if owner != name:
                problems.append(Problem(what, f"{value}, in profiles {owner} and {name}", allowed))
    return problems


def _places(config: Config) -> list[_Own]:
    found = [("vault_path", str(config.vault_path.resolve()), "a vault for each profile")]
    if config.audit_anchor_file:
        found.append(("audit_anchor_file", config.audit_anchor_file, "one for each vault"))
    return found


async def _own(profile: Profile) -> list[_Own]:
    vault = profile.config.vault_path
    make_vault_folder(vault)
    found = _places(profile.config)
    registry = await Registry.open(vault)
    try:
        streams = await registry.streams()
    finally:
        await registry.close()
    allowed = "a stream for each vault; `s3gc follow --reload` begins one anew"
    found += [("change stream", state.name, allowed) for state in streams.values()]
    return found
