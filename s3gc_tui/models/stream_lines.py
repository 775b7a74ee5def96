"""How far the change streams have come, as lines: a few characters, an alarm, one row each.

Names of databases and tables and the servers' words are not ours: all of it is cleaned here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from s3gc_tui.display import column, counted, duration, fit, size, when, wrap
from s3gc_tui.models.lines import BLANK, Line, Look, Piece, bad, dim, line, strong, warn, wrapped
from s3gc_tui.models.picture import Picture
from s3gc_tui.safe_text import safe_text

if TYPE_CHECKING:
    from s3gc_core.actions.streams import StreamStatus

# A follower hears from a database every second: later than this, it is worth a look.
_BEHIND = timedelta(seconds=10)
_WIDE = 120
# Cells for the names of lost databases in the lines of the main screen.
_NAMES = 24
LOST_STEP = "`s3gc follow --reload` reads the followed tables anew and starts a new stream"
_RELOADED = (
    "The process that follows is ended, the streams are taken away from their servers, and a new"
    " process begins new ones: it reads every followed table as a whole. Until that is done no scan"
    " makes a plan. Nothing in the bucket or in the databases' own tables is changed."
)
_KEPT_STEP = (
    "`s3gc follow`, or `s3gc follow --stop --drop-slot` where nobody is to follow any more: until"
    " then the server keeps its log, on its own disk"
)
_FILE = "a file: it is looked at for changes, and no server keeps anything"
_LOOKS = {"lost": Look.BAD, "waiting": Look.WARN, "not begun": Look.WARN, "loading": Look.WARN}

# Words of PostgreSQL for a slot, and ours for one that is not there.
_SERVER_LOOKS = {"unreserved": Look.WARN, "lost": Look.BAD, "missing": Look.BAD}


def stream_piece(picture: Picture) -> Piece:
    """All streams in a few characters, the worst of them first."""
    look = picture.streams
    if not picture.about.cdc:
        return dim("cdc off")
    if picture.lost_streams:
        return bad(f"stream lost: {lost_names(picture)}")
    if look is not None and (much := [s for s in look.streams if s.is_much_kept]):
        most = max(much, key=lambda stream: stream.bytes or 0)
        piece = bad if any(stream.is_too_much_kept for stream in much) else warn
        return piece(f"stream keeps {size(most.bytes or 0)}")
    if look is None:
        return dim("stream ?")
    if look.problem:
        return warn("stream unknown")
    states = {stream.state for stream in look.streams}
    if picture.follower is not None and not picture.is_followed:
        return dim("stream: a scan")
    if not picture.is_followed or states & {"waiting", "not begun"}:
        return warn("stream waiting")
    if not look.streams:
        return dim("files followed")
    behind = [behind_of(stream, look.asked_at) for stream in look.streams]
    known = [span for span in behind if span is not None]
    if "loading" in states or len(known) < len(behind):
        return warn("stream loading")
    if max(known) > _BEHIND:
        return warn(f"stream {span_words(max(known))} behind")
    return dim(f"stream ok {span_words(max(known))}")


def lost_names(picture: Picture) -> str:
    """The databases whose stream is lost, cleaned, as far as there is room."""
    return fit(", ".join(stream.database for stream in picture.lost_streams), _NAMES)


def behind_of(stream: StreamStatus, now: datetime) -> timedelta | None:
    """For how long the registry has not heard from a database; None where it never did."""
    return None if stream.true_at is None else max(timedelta(), now - stream.true_at)


def span_words(span: timedelta) -> str:
    """A span, with tenths of a second where it is short: `0.4 s`, `12 s`, `2m 40s`."""
    seconds = span.total_seconds()
    return f"{seconds:.1f} s" if seconds < 9.95 else duration(seconds)


def lost_lines(picture: Picture, width: int) -> list[Line]:
    """Which streams cannot go on, and what to do about it."""
    lines = [BLANK] if picture.lost_streams else []
    for stream in picture.lost_streams:
        lines += wrapped(f"STREAM LOST {stream.database}: {stream.detail}", width, Look.BAD)
    if picture.lost_streams:
        lines += wrapped(f"next: {LOST_STEP}", width, Look.PLAIN)
    return lines


# The screen of the streams


def head_lines(picture: Picture, width: int) -> list[Line]:
    """Who follows, how old the answer is, and what the columns of the list are."""
    look = picture.streams
    if look is None:
        told = line(dim(" asking the servers ..."))
    elif look.problem:
        told = line(bad(f" not known: {fit(look.problem, width - 13)}"))
    else:
        old = span_words(max(timedelta(), picture.taken_at - look.asked_at))
        told = line(dim(f" asked {old} ago; while a stream is lost or late, nothing is judged"))
    head = line(strong(" CHANGE STREAMS"), Piece("  "), _who(picture, width - 18))
    return [head, told, _titles(width)]


def _who(picture: Picture, room: int) -> Piece:
    holder = picture.follower
    if not picture.about.cdc:
        return Piece(fit("no database has cdc = true", room))
    if holder is None:
        return Piece(fit("nobody follows; a scan comes up to now by itself", room), Look.WARN)
    if not picture.is_followed:
        return Piece(fit(f"a scan of {holder.actor} follows, until it ends", room))
    since = f"since {when(holder.since)} UTC"
    return Piece(fit(f"process {holder.pid} of {holder.actor} follows {since}", room))


def _titles(width: int) -> Line:
    text = f" {'DATABASE':<{_name_width(width)}} {'STATE':<10}{'BEHIND':<10}{'TOLD AT (UTC)':<18}"
    text += f"{'KEPT':<11}SERVER"
    return line(dim(text + (" " * 10 + "READING" if width >= _WIDE else "")))


def _name_width(width: int) -> int:
    return 14 if width < _WIDE else 32


def rows(picture: Picture, width: int) -> list[Line]:
    """One line a database."""
    look = picture.streams
    now = look.asked_at if look else picture.taken_at
    lines = [_row(stream, now, width) for stream in (look.streams if look else ())]
    return lines + [_file_row(name, picture, width) for name in picture.about.files]


def _row(stream: StreamStatus, now: datetime, width: int) -> Line:
    behind = behind_of(stream, now)
    kept = "-" if stream.bytes is None else size(stream.bytes)
    pieces = [
        Piece(f" {column(stream.database, _name_width(width))} "),
        Piece(column(stream.state, 10), _LOOKS.get(stream.state, Look.GOOD)),
        Piece(
            column(span_words(behind) if behind is not None else "-", 10),
            Look.WARN if behind is not None and behind > _BEHIND else Look.PLAIN,
        ),
        Piece(column(f"{stream.told_at:%Y-%m-%d %H:%M}" if stream.told_at else "-", 18)),
        Piece(column(kept, 11), _kept_look(stream)),
    ]
    server, look = stream.server_state or "-", _SERVER_LOOKS.get(stream.server_state, Look.PLAIN)
    if width < _WIDE:
        pieces.append(Piece(fit(server, max(1, width - 66)), look))
    else:
        pieces.append(Piece(column(server, 16), look))
        pieces.append(dim(fit(", ".join(stream.reading) or "-", width - 99)))
    return line(*pieces, id=stream.database)


def _kept_look(stream: StreamStatus) -> Look:
    if stream.is_too_much_kept:
        return Look.BAD
    return Look.WARN if stream.is_much_kept else Look.PLAIN


def _file_row(name: str, picture: Picture, width: int) -> Line:
    state = "following" if picture.is_followed else "waiting"
    return line(
        f" {column(name, _name_width(width))} ",
        Piece(column(state, 10), _LOOKS.get(state, Look.GOOD)),
        dim("a file"),
        id=name,
    )


def about_lines(picture: Picture, database: str | None, width: int) -> list[Line]:
    """Everything about the stream under the cursor, and what to do next."""
    found = picture.streams.streams if picture.streams else ()
    stream = next((one for one in found if one.database == database), None)
    if stream is None:
        if database in picture.about.files:
            head = line(strong(f" {fit(database or '', width - 2)}"))
            return [head, *wrapped(_FILE, width, Look.PLAIN)]
        return []
    lines = [line(strong(f" {fit(stream.database, width - 2)}"))]
    lines += _fact("true for", _true_for(stream), width)
    if stream.transactions is not None:
        lines += _fact("since", f"{_transactions(stream.transactions)} of its server", width)
    if stream.reading:
        lines += _fact("reading", f"as a whole first: {', '.join(stream.reading)}", width)
    if stream.is_much_kept:
        lines += _fact("kept", stream.kept_words, width)
    if stream.detail:
        lines += _fact("detail", stream.detail, width)
    return lines + _fact("next", next_step(stream, picture.is_followed), width)


def _transactions(number: int) -> str:
    """How many came after the last one that the registry has."""
    return counted(number, "transaction")


def _true_for(stream: StreamStatus) -> str:
    if stream.true_at is None:
        return "no moment yet"
    return f"everything committed before {stream.true_at:%Y-%m-%d %H:%M:%S} UTC"


def next_step(stream: StreamStatus, is_followed: bool) -> str:
    """What a person can do about a stream as it stands."""
    if stream.state == "lost":
        return LOST_STEP
    if stream.is_much_kept and not is_followed:
        return _KEPT_STEP
    if not is_followed:
        return "`s3gc follow` goes on with it; a scan comes up to now by itself"
    if stream.detail:
        return "it is tried again; `s3gc doctor` says what is wrong with the server"
    return "nothing; it goes on by itself"


def _fact(name: str, value: str, width: int) -> list[Line]:
    first, *more = wrap(value, width - 12)
    return [line(dim(f" {name:<9} "), first), *(line(" " * 11, part) for part in more)]


def reload_lines(databases: Sequence[str], command: str, width: int) -> list[Line]:
    """What beginning anew means, before a person says so."""
    lines = [line(strong(f" RELOAD {counted(len(databases), 'change stream')}"))]
    lines += wrapped(f"of {', '.join(databases)}", width, Look.STRONG)
    lines += [BLANK, *wrapped(_RELOADED, width, Look.PLAIN), BLANK]
    return [*lines, line(dim(" the same from a shell:")), *wrapped(command, width, Look.PLAIN)]


# As linear text


def stream_text(picture: Picture) -> Iterator[Line]:
    """Who follows, then one stream a line, whole names, with what to do next."""
    look, holder = picture.streams, picture.follower
    if not picture.about.cdc:
        yield line("No database is followed: each scan reads them as a whole.")
        return
    yield line(
        "Nobody follows."
        if holder is None
        else safe_text(f"Held by a {holder.what} of {holder.actor}, process {holder.pid}.")
    )
    if look is not None and look.problem:
        yield line(safe_text(f"Not known: {look.problem}"))
    for stream in look.streams if look else ():
        behind = behind_of(stream, look.asked_at if look else picture.taken_at)
        yield line(safe_text("; ".join(_words(stream, behind))))
        yield line(f"Next: {next_step(stream, picture.is_followed)}")
    for name in picture.about.files:
        state = "following" if picture.is_followed else "waiting"
        yield line(safe_text(f"{name} {state}; {_FILE}"))


def _words(stream: StreamStatus, behind: timedelta | None) -> Iterator[str]:
    yield f"{stream.database} {stream.state}"
    yield "never heard from" if behind is None else f"{span_words(behind)} behind"
    if stream.told_at is not None:
        yield f"told at {stream.told_at:%Y-%m-%d %H:%M:%S} UTC"
    if stream.transactions is not None:
        yield f"{_transactions(stream.transactions)} since"
    if stream.bytes is not None:
        yield f"{size(stream.bytes)} kept by the server"
    if stream.server_state:
        yield f"the server says {stream.server_state}"
    if stream.reading:
        yield f"reading {counted(len(stream.reading), 'source')}: {', '.join(stream.reading)}"
    if stream.detail:
        yield stream.detail
