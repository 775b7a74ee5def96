"""Everything about one key as lines: every layer, every reference, its backups, its characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import datetime

from s3gc_core.actions.asking import BackupOf, Explanation, LastReference, Reference
from s3gc_core.errors import S3gcError
from s3gc_core.judgement import Judged, Verdict
from s3gc_tui.display import age, count, fit, size, when, wrap
from s3gc_tui.models.lines import (
    BLANK,
    Line,
    Look,
    Piece,
    bad,
    dim,
    error_lines,
    line,
    strong,
    warn,
    wrapped,
)
from s3gc_tui.models.verdict_lines import LAYERS, together
from s3gc_tui.safe_text import safe_text

_VERDICTS = {
    Verdict.PASS: Piece("PASS    ", Look.GOOD),
    Verdict.KEEP: Piece("KEEP    ", Look.STRONG),
    Verdict.UNKNOWN: Piece("UNKNOWN ", Look.WARN),
}
# Alphabets with letters that look alike; any two of them in one word are worth a warning.
_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"})
_POINTS_SHOWN = 64


def asking_lines(key: str, width: int) -> list[Line]:
    """What is seen while the question is out."""
    return [
        *wrapped(key, width, Look.STRONG),
        BLANK,
        line(dim(" asking bucket and databases ...")),
    ]


def detail_lines(found: Explanation, now: datetime, width: int) -> list[Line]:
    """Everything about a key. Ages are counted at `now` (UTC)."""
    lines = [*wrapped(found.key, width, Look.STRONG)]
    lines += _judged(found.judged, now, width) if found.judged else _nothing(found)
    lines += [BLANK, *_references(found, width)]
    lines += [BLANK, *_backups(found.backups, now)]
    return [*lines, BLANK, *key_lines(found.key, width)]


def _nothing(found: Explanation) -> list[Line]:
    known = "deleted; the vault has it" if found.backups else "rows name it, the bucket has it not"
    return [line(warn(" no object is at this key"), dim(f"  {known}"))]


def _judged(judged: Judged, now: datetime, width: int) -> list[Line]:
    entry = judged.object
    facts = (
        f"{size(entry.size)}, modified {when(entry.last_modified)} UTC"
        f" ({age(now - entry.last_modified)} ago), {entry.storage_class}, etag {entry.etag}"
    )
    lines = [*wrapped(facts, width, Look.DIM), BLANK, line(strong(" LAYERS"), dim(" asked now"))]
    for number, name in enumerate(LAYERS, 1):
        layer = getattr(judged.layers, name)
        first, *more = wrap(layer.reason, width - 24)
        lines.append(line(f" {number} {name:<10} ", _VERDICTS[layer.verdict], " ", first))
        lines += [line(" " * 23, part) for part in more]
    for doubt in judged.doubts:
        lines += wrapped(f"doubt: {doubt}", width, Look.WARN)
    return [*lines, together(judged.verdict)]


def _references(found: Explanation, width: int) -> list[Line]:
    lines = [line(strong(f" REFERENCES {count(len(found.references))}"))]
    if not found.references:
        lines.append(line(dim(" no row holds this key")))
    for one in found.references:
        lines += _reference(one, width)
    if found.last_reference:
        lines += wrapped(_last_held(found.last_reference), width, Look.PLAIN)
    if found.near:
        lines.append(line(warn(f" ALMOST THE SAME {count(len(found.near))}")))
    for one in found.near:
        lines += _reference(one, width)
        lines += [line(warn(f"   written {part}")) for part in wrap(one.spelling, width - 12)]
    if found.tried:
        lines += wrapped(f"looked for as {', '.join(found.tried)}", width, Look.DIM)
    if found.searched:
        lines += wrapped(f"in {', '.join(found.searched)}", width, Look.DIM)
    return lines


def _reference(one: Reference, width: int) -> list[Line]:
    text = f"{one.database}  {one.table}.{one.column}  row {one.row}"
    first, *more = wrap(text, width - 24)
    lines = [line(f" {first}", dim(f"  seen by the {one.seen_by}"))]
    lines += [line("   ", part) for part in more]
    if one.first_seen and one.last_seen:
        times = f"{when(one.first_seen)} to {when(one.last_seen)} UTC, read as {one.codec}"
        lines.append(line(dim(f"   seen from {times}")))
    if one.query:
        lines += [line(dim(f"   {part}")) for part in wrap(one.query, width - 4)]
    return lines


def _last_held(last: LastReference) -> str:
    row = f"{last.source} row {last.row}" if last.source else "a row that was not written down"
    return f"last held by {row}, seen to be gone {when(last.at)} UTC"


def _backups(backups: list[BackupOf], now: datetime) -> list[Line]:
    lines = [line(strong(f" BACKUPS {count(len(backups))}"))]
    if not backups:
        lines.append(line(dim(" the vault holds none of this key")))
    for one in backups:
        gone = f" deleted {when(one.deleted_at)} UTC ({age(now - one.deleted_at)} ago)"
        lossy = warn("  LOSSY" if one.lossy else "")
        lines.append(line(f"{gone}  {size(one.size)}", lossy, dim(f"  {one.operation_id}")))
    return lines


def key_lines(key: str, width: int) -> list[Line]:
    """The key itself: bytes, characters that are not ASCII, and what may deceive the eye."""
    raw = key.encode(errors="surrogatepass")
    characters = "character" if len(key) == 1 else "characters"
    lines = [
        line(strong(" KEY"), dim(f" {count(len(key))} {characters}, {count(len(raw))} bytes")),
        *wrapped(key, width, Look.PLAIN),
    ]
    lines += [line(warn(f" {part}")) for w in warnings_about(key) for part in wrap(w, width - 2)]
    lines.append(line(dim(" bytes in hex")))
    lines += [line("   ", part) for part in wrap(raw.hex(" "), width - 4)]
    odd = list(dict.fromkeys(c for c in key if not (c.isascii() and c.isprintable())))
    if odd:
        lines.append(line(dim(" characters beyond plain ASCII")))
        lines += [line("   ", fit(_point(c), width - 4)) for c in odd[:_POINTS_SHOWN]]
    if len(odd) > _POINTS_SHOWN:
        lines.append(line(dim(f"   and {count(len(odd) - _POINTS_SHOWN)} more")))
    return lines


def _point(character: str) -> str:
    name = unicodedata.name(character, "no name")
    return f"U+{ord(character):04X}  {character}  {name}"


def warnings_about(key: str) -> list[str]:
    """What may make this key look like another one, or like something it is not."""
    found = []
    # A backslash is doubled for the screen, and hides nothing.
    shown = safe_text(key.replace("\\", "/"))
    if shown != key.replace("\\", "/"):
        found.append("has characters that cannot be seen; they are shown as escapes")
    if any(unicodedata.bidirectional(c) in ("R", "AL", "RLE", "RLO", "RLI") for c in key):
        found.append("has text that runs from right to left: the order on screen may deceive")
    if key != key.strip(" ") or "  " in key:
        found.append("has spaces at an end, or several together")
    for word, scripts in _mixed(key):
        found.append(f"mixes letters of {' and '.join(scripts)} that look alike, in: {word}")
    if unicodedata.normalize("NFC", key) != key:
        found.append("is not in the composed form (NFC): another key may look exactly the same")
    elif unicodedata.normalize("NFKC", key) != key:
        found.append("has letters in another width or form: a plainer key may look the same")
    if key.casefold() != key:
        found.append("has capital letters: another key may differ in nothing but case")
    if key.startswith("/") or "//" in key:
        found.append("has a slash at its start, or two together: some programs drop one")
    return found


def _mixed(key: str) -> Iterable[tuple[str, list[str]]]:
    word = ""
    for character in [*key, " "]:
        if character.isalpha() or unicodedata.combining(character):
            word += character
            continue
        scripts = {unicodedata.name(c, "").partition(" ")[0] for c in word} & _ALIKE
        if len(scripts) > 1:
            yield word, sorted(script.capitalize() for script in scripts)
        word = ""


def failed_lines(key: str, error: S3gcError, width: int) -> list[Line]:
    """A question that was not answered; what the key itself tells is still there."""
    return [
        *wrapped(key, width, Look.STRONG),
        *error_lines(error, width),
        line(bad(" no answer: nothing here says that the object may go")),
        BLANK,
        *key_lines(key, width),
    ]
