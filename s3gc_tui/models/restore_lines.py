"""What the restore wizard understands and shows: selections as they are typed, and a preview."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from s3gc_core.collection import Selection
from s3gc_core.vault import DeletedObject
from s3gc_tui.display import age, count, middle, size, wrap
from s3gc_tui.models.lines import BLANK, Line, Look, bad, dim, line, strong, warn, wrapped
from s3gc_tui.models.plan_lines import objects
from s3gc_tui.safe_text import printable, safe_text
from s3gc_tui.words import OVERWRITTEN

# Objects that a preview shows one by one; all are counted.
LISTED = 200

_OPERATION, _PREFIX, _KEY = "op:", "prefix:", "key:"
_ESCAPE = re.compile(r"\\(?:(\\)|x([0-9a-f]{2})|u\{([0-9a-f]{1,6})\})|(\\)", re.IGNORECASE)
# What an escape that is still being typed looks like.
_BEGUN = re.compile(r"(?<!\\)(?:\\\\)*(\\(?:x[0-9a-fA-F]?|u(?:\{[0-9a-fA-F]{0,6})?)?)$")


class NotUnderstood(ValueError):
    """What was typed selects nothing; its text says why."""


def decoded(text: str) -> str:
    """The text that `safe_text` shows as `text`. Raises `NotUnderstood`."""

    def character(match: re.Match[str]) -> str:
        backslash, short, long, lonely = match.groups()
        if lonely:
            raise NotUnderstood(r"a backslash is written as \\")
        code = ord("\\") if backslash else int(short or long, 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise NotUnderstood(f"{match.group()} is no character")
        return chr(code)

    return _ESCAPE.sub(character, text)


def field_text(raw: str) -> str:
    """Typed or pasted text as the field takes it: escapes stay, what cannot be seen becomes one."""
    return printable(raw)


def entry_of(key: str) -> str:
    """What has to be typed for exactly this key."""
    shown = safe_text(key)
    # The field loses spaces at its ends.
    if shown.startswith((_OPERATION, _PREFIX, _KEY)) or shown.strip() != shown:
        return _KEY + shown
    return shown


def parse_selection(text: str) -> Selection:
    """The selection that `KEY`, `key:KEY`, `prefix:P` or `op:ID` names. Raises `NotUnderstood`."""
    plain = text.strip()
    if plain.startswith(_OPERATION):
        operation_id = plain.removeprefix(_OPERATION).strip().upper()
        if not operation_id:
            raise NotUnderstood("op: needs an operation's id")
        return Selection(operation_id=operation_id)
    if plain.startswith(_PREFIX):
        prefix = decoded(text.lstrip().removeprefix(_PREFIX))
        if not prefix:
            raise NotUnderstood("prefix: needs a prefix; everything is not restored at once")
        return Selection(prefix=prefix)
    key = decoded(text.lstrip().removeprefix(_KEY) if plain.startswith(_KEY) else plain)
    if not key:
        raise NotUnderstood("type a key, prefix:P or op:ID")
    return Selection(keys=(key,))


def beginning(text: str) -> tuple[str, str]:
    """What completions have to begin with, and what stands before them ("" or `prefix:`)."""
    head = next((h for h in (_PREFIX, _KEY) if text.lstrip().startswith(h)), "")
    rest = text.lstrip().removeprefix(head) if head else text.lstrip()
    begun = _BEGUN.search(rest)
    return decoded(rest[: begun.start(1)] if begun else rest), head


def completed(key: str, head: str) -> str:
    """A completion as it is put into the field."""
    return head + safe_text(key) if head else entry_of(key)


def named(selection: Selection) -> str:
    """A selection in words, not cleaned."""
    parts = [f"key {key}" for key in selection.keys[:1]]
    if len(selection.keys) > 1:
        parts = [f"{count(len(selection.keys))} keys"]
    if selection.prefix is not None:
        parts.append(f"prefix {selection.prefix}")
    if selection.operation_id is not None:
        parts.append(f"operation {selection.operation_id}")
    if selection.as_of is not None:
        parts.append(f"as of {selection.as_of:%Y-%m-%d %H:%M} UTC")
    return ", ".join(parts)


@dataclass(slots=True)
class Preview:
    """What a restore would bring back, added up page by page in bounded memory."""

    selection: Selection
    objects: int = 0
    bytes: int = 0
    unusable: int = 0
    lossy: int = 0
    done: bool = False
    listed: list[tuple[DeletedObject, bool]] = field(default_factory=list)

    def add(self, page: Iterable[tuple[DeletedObject, bool]]) -> None:
        """Add a page; each backup comes with whether its file is there in its full size."""
        for backup, present in page:
            if present:
                self.objects += 1
                self.bytes += backup.intent.backup.given_size
                self.lossy += backup.intent.backup.is_lossy
            else:
                self.unusable += 1
            if len(self.listed) < LISTED:
                self.listed.append((backup, present))

    @property
    def phrase(self) -> str:
        """What has to be typed to let it overwrite."""
        return f"overwrite {self.objects + self.unusable}"

    @property
    def lossy_phrase(self) -> str:
        """What has to be typed to bring back what was stored LOSSY."""
        return f"accept lossy {self.lossy}"

    @property
    def both_phrase(self) -> str:
        """What has to be typed for both: overwriting, also by what was stored LOSSY."""
        return f"{self.phrase} {self.lossy_phrase}"


def preview_lines(preview: Preview, now: datetime, width: int) -> list[Line]:
    """What would be restored, from which deletions, and what cannot be."""
    head = [line(strong(f" restore {middle(safe_text(named(preview.selection)), width - 10)}"))]
    if not preview.done:
        return [*head, line(dim(f" reading the vault: {objects(preview.objects)} so far"))]
    if not preview.objects and not preview.unusable:
        return [*head, line(warn(" the vault holds no backup of that; nothing can be restored"))]
    head.append(line(f" {objects(preview.objects)}, {size(preview.bytes)}"))
    if preview.unusable:
        lost = f" {count(preview.unusable)} of the backup files are missing or cut: these will fail"
        head.append(line(bad(lost)))
    if preview.lossy:
        lossy = f"{count(preview.lossy)} of them were stored LOSSY and stay out unless accepted:"
        head += wrapped(f"{lossy} they are not what the objects were", width, Look.WARN)
    said = (
        "An object that lives at a key now is looked at when its turn comes: the same one is left"
        " alone, another one is kept and reported. Nothing is overwritten unless asked for."
    )
    head += [line(dim(f" {part}")) for part in wrap(said, width - 2)]
    head += [BLANK, line(dim(f" {'SIZE':>10}  {'DELETED':>7}  KEY"))]
    head += [_object_line(backup, there, now, width) for backup, there in preview.listed]
    more = preview.objects + preview.unusable - len(preview.listed)
    if more:
        head.append(line(dim(f" and {count(more)} more")))
    return head


def _object_line(backup: DeletedObject, present: bool, now: datetime, width: int) -> Line:
    intent = backup.intent
    note = "  LOSSY" if intent.backup.is_lossy else ""
    note += "" if present else "  FILE MISSING OR CUT"
    key = middle(safe_text(intent.key), width - 23 - len(note))
    gone = age(now - backup.deleted_at)
    return line(f" {size(intent.backup.given_size):>10}  {gone:>7}  {key}", bad(note))


def completion_lines(completions: list[str], width: int) -> list[Line]:
    """What the vault holds that begins as typed; the first is what tab takes."""
    if not completions:
        return [line(dim(" nothing deleted begins like that"))]
    shown = [middle(text, width - 8) for text in completions]
    return [line(dim(" tab  "), strong(shown[0])), *(line(f"      {text}") for text in shown[1:])]


def overwrite_lines(preview: Preview, width: int) -> list[Line]:
    """What overwriting means."""
    said = (
        "Objects that live at these keys now, newer ones too, are replaced by their backups."
        f" {OVERWRITTEN}"
    )
    return _asking("OVERWRITE", preview, said, width)


def lossy_lines(preview: Preview, width: int) -> list[Line]:
    """What bringing back compact copies means."""
    return _asking("LOSSY", preview, f"{_smaller(preview)} Nothing is overwritten.", width)


def both_lines(preview: Preview, width: int) -> list[Line]:
    """What overwriting means where compact copies come back, too."""
    said = (
        f"{_smaller(preview)} They, too, replace what lives at their keys now, be it newer, and"
        f" better. {OVERWRITTEN}"
    )
    return _asking("OVERWRITE, LOSSY", preview, said, width)


def _smaller(preview: Preview) -> str:
    return (
        f"{objects(preview.lossy)} of this were stored as smaller pictures: what comes back has"
        " fewer pixels, or worse ones, and other bytes than the object had. The originals are gone."
    )


def _asking(what: str, preview: Preview, said: str, width: int) -> list[Line]:
    room = width - len(what) - 3
    return [
        line(bad(f" {what}"), strong(f" {middle(safe_text(named(preview.selection)), room)}")),
        line(f" {objects(preview.objects)}, {size(preview.bytes)}"),
        *(line(warn(f" {part}")) for part in wrap(said, width - 2)),
    ]


def usage_lines(width: int) -> list[Line]:
    """What can be typed."""
    rows = (
        ("KEY", "one deleted object; tab completes from the vault"),
        ("prefix:P", "every deleted object whose key begins with P"),
        ("op:ID", "everything one operation deleted"),
        ("key:KEY", "a key that begins or ends with a space, or like the words above"),
    )
    lines = [line(strong(" Restore deleted objects from the vault")), BLANK]
    for name, what in rows:
        parts = wrap(what, width - 14)
        lines.append(line(f" {name:<11}", dim(parts[0])))
        lines += [line(dim(" " * 12 + part)) for part in parts[1:]]
    said = (
        r"What cannot be seen is written \xNN or \u{N}, a backslash is \\,",
        "as on every screen.",
    )
    return [*lines, BLANK, *(line(dim(f" {part}")) for part in said)]
