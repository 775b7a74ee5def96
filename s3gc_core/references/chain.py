"""The chain of beats: whether what a stream tells goes on from what is known.

Each beat names the one before it by its token. A stream that is opened at the anchor has to begin
with the very beat that was applied last, otherwise it is another history: a restored server, a log
that was begun anew, another server at the same address.
"""

from __future__ import annotations

from s3gc_core.databases.changes import Beat
from s3gc_core.errors import StreamLost
from s3gc_core.references.stream_tables import StreamState


class Chain:
    """What has to come next."""

    def __init__(self, state: StreamState) -> None:
        self._database = state.database
        self._counter = state.counter
        self._token = state.token
        self._waits_for_anchor = state.anchored

    def take(self, beat: Beat) -> None:
        """A beat came. Raises `StreamLost` for one that does not go on from the last."""
        if self._waits_for_anchor:
            if (beat.counter, beat.token) != (self._counter, self._token):
                raise self._broken(f"it begins with beat {beat.counter}")
            self._waits_for_anchor = False
            return
        if (beat.counter, beat.previous) != (self._counter + 1, self._token):
            raise self._broken(
                f"beat {beat.counter} follows beat {self._counter} and not its token"
            )
        self._counter, self._token = beat.counter, beat.token

    def expect_data(self) -> None:
        """Something else than a beat came. Raises `StreamLost` where the anchor has to be first."""
        if self._waits_for_anchor:
            raise self._broken(f"it does not begin with beat {self._counter}")

    def _broken(self, how: str) -> StreamLost:
        return StreamLost(
            "history-changed",
            f"{self._database}: the change stream is not the one that was followed: {how}",
        )


def refuse_set_back(database: str, beat: Beat, counter: int) -> None:
    """A beat that was made now comes after the beat `counter`, which the stream has told already.

    Otherwise the row was set back, and what it says has come would be taken for true at once.
    Raises `StreamLost`.
    """
    if beat.counter <= counter:
        raise StreamLost(
            "history-changed",
            f"{database}: our heartbeat was set back: beat {beat.counter} was made after beat"
            f" {counter}",
        )
