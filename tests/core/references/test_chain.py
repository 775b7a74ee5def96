"""Whether a stream goes on from what is known: any other history ends it."""

from __future__ import annotations

import pytest

from s3gc_core.databases.changes import Beat
from s3gc_core.errors import StreamLost
from s3gc_core.references.chain import Chain
from s3gc_core.references.stream_tables import StreamState


def chain(*, anchored: bool) -> Chain:
    """After beat 7."""
    return Chain(StreamState("main", "n", "h", "5", "4", 7, "seven", anchored))


SEVENTH = Beat(7, "seven", "six")
EIGHTH = Beat(8, "eight", "seven")


def test_a_new_stream_begins_with_anything_and_then_the_next_beat() -> None:
    new = chain(anchored=False)
    new.expect_data()
    new.take(EIGHTH)
    new.expect_data()
    new.take(Beat(9, "nine", "eight"))


def test_a_stream_that_is_opened_again_begins_with_the_beat_that_was_last() -> None:
    again = chain(anchored=True)
    again.take(SEVENTH)
    again.expect_data()
    again.take(EIGHTH)


def test_the_first_beat_is_the_last_one_only_once() -> None:
    again = chain(anchored=True)
    again.take(SEVENTH)
    with pytest.raises(StreamLost):
        again.take(SEVENTH)


@pytest.mark.parametrize(
    "beat",
    [EIGHTH, Beat(7, "other", "six"), Beat(6, "seven", "five"), Beat(8, "seven", "seven")],
    ids=["the next", "another token", "a lower number", "a higher number"],
)
def test_another_beginning_is_another_history(beat: Beat) -> None:
    with pytest.raises(StreamLost, match="begins with beat") as lost:
        chain(anchored=True).take(beat)
    assert lost.value.state == "history-changed"


def test_nothing_comes_before_the_anchor() -> None:
    with pytest.raises(StreamLost, match="does not begin with beat 7") as lost:
        chain(anchored=True).expect_data()
    assert lost.value.state == "history-changed"


@pytest.mark.parametrize(
    "beat",
    [SEVENTH, Beat(8, "eight", "other"), Beat(9, "nine", "seven"), Beat(7, "eight", "seven")],
    ids=["the same again", "another before it", "one left out", "its number again"],
)
@pytest.mark.parametrize("anchored", [False, True])
def test_a_beat_that_does_not_go_on(beat: Beat, anchored: bool) -> None:
    broken = chain(anchored=anchored)
    if anchored:
        broken.take(SEVENTH)
    with pytest.raises(StreamLost, match="not its token") as lost:
        broken.take(beat)
    assert lost.value.state == "history-changed"
