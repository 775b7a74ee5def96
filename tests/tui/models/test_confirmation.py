"""Whether what was typed confirms: every rule, every state, and every event in every state."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3gc_tui.models.confirmation import (
    OPEN_FOR,
    QUIET,
    SETTLING,
    TYPING,
    Cleared,
    Confirmation,
    Ended,
    Entered,
    Erased,
    Event,
    Failed,
    Opened,
    OtherKey,
    Pasted,
    Phase,
    Ticked,
    Typed,
    Wanted,
)

PHRASE = "media-prod 41220"
EXECUTE = Confirmation(Wanted.PHRASE, PHRASE, open_for=OPEN_FOR)
REASON = Confirmation(Wanted.TEXT)
GO = Confirmation(Wanted.ENTER)


def after(start: Confirmation, *events: tuple[float, Event]) -> Confirmation:
    for at, event in events:
        start = start.step(event, at)
    return start


def taking(start: Confirmation) -> Confirmation:
    """Opened at 0, left alone until 1."""
    ready = after(start, (0.0, Opened()), (1.0, Ticked()))
    assert ready.phase is Phase.TAKING
    return ready


def typed(start: Confirmation, text: str, at: float = 1.0, apart: float = 0.1) -> Confirmation:
    return after(start, *((at + i * apart, Typed(c)) for i, c in enumerate(text)))


def test_the_phrase_and_enter_confirm() -> None:
    ready = typed(taking(EXECUTE), PHRASE)
    assert ready.matches
    assert ready.phase is Phase.TAKING
    assert ready.step(Entered(), 3.0).phase is Phase.CONFIRMED


@pytest.mark.parametrize(
    "text",
    [
        "",
        PHRASE[:-1],
        PHRASE + "0",
        PHRASE + " ",
        " " + PHRASE,
        PHRASE.upper(),
        "media-prod 41,220",
    ],
)
def test_nothing_but_the_phrase_confirms(text: str) -> None:
    refused = typed(taking(EXECUTE), text).step(Entered(), 10.0)
    assert (refused.phase, refused.text) == (Phase.TAKING, text)
    assert refused.notice == "not yet matching"


def test_it_can_be_corrected() -> None:
    wrong = typed(taking(EXECUTE), PHRASE + "x")
    right = wrong.step(Erased(), 5.0)
    assert right.text == PHRASE
    assert right.step(Entered(), 5.1).phase is Phase.CONFIRMED
    assert wrong.step(Cleared(), 5.0).text == ""


def test_before_it_is_painted_nothing_counts() -> None:
    ahead = typed(EXECUTE, PHRASE, apart=10.0).step(Entered(), 500.0)
    assert (ahead.phase, ahead.text) == (Phase.OPENING, "")


def test_at_first_nothing_counts() -> None:
    opened = EXECUTE.step(Opened(), 0.0)
    early = opened.step(Typed("m"), QUIET - 0.01)
    assert (early.phase, early.text) == (Phase.QUIET, "")
    assert opened.step(Typed("m"), QUIET).text == "m"


def test_what_keeps_coming_keeps_being_dropped() -> None:
    """A held key, or a long queue, that outlasts the first moment."""
    held = EXECUTE.step(Opened(), 0.0)
    for tick in range(1, 100):
        held = held.step(Typed("m"), tick * (QUIET - 0.1))
    assert (held.phase, held.text) == (Phase.QUIET, "")


@pytest.mark.parametrize("start", [EXECUTE, REASON, GO])
@pytest.mark.parametrize("apart", [0.03, 0.04, 0.1, 0.19])
@pytest.mark.parametrize("delay", [0.0, 0.3, 0.66, 1.0, 2.0])
def test_a_held_enter_never_confirms(start: Confirmation, apart: float, delay: float) -> None:
    """However long the keyboard waits before it repeats."""
    held = after(start, (0.0, Opened()), (0.01, Entered()))
    for number in range(200):
        held = held.step(Entered(), 0.01 + delay + number * apart)
        assert held.phase is not Phase.CONFIRMED


def test_an_enter_alone_confirms_where_nothing_has_to_be_typed() -> None:
    settling = taking(GO).step(Entered(), 1.0)
    assert settling.phase is Phase.SETTLING
    assert settling.step(Ticked(), 1.0 + SETTLING - 0.01).phase is Phase.SETTLING
    assert settling.step(Ticked(), 1.01 + SETTLING).phase is Phase.CONFIRMED


@pytest.mark.parametrize(
    "event", [Typed("x"), Entered(), Pasted("x"), OtherKey(), Erased(), Cleared()]
)
def test_what_follows_an_enter_at_once_takes_it_back(event: Event) -> None:
    back = taking(GO).step(Entered(), 1.0).step(event, 1.05)
    assert back.phase is Phase.QUIET
    assert back.step(Entered(), 1.1).phase is Phase.QUIET


@pytest.mark.parametrize("event", [Typed("x"), Pasted("x"), OtherKey(), Erased(), Cleared()])
def test_where_only_enter_is_asked_for_any_other_key_is_an_accident(event: Event) -> None:
    wary = taking(GO).step(event, 1.0)
    assert wary.phase is Phase.QUIET
    assert wary.step(Entered(), 1.0 + QUIET - 0.01).phase is Phase.QUIET
    assert wary.step(Entered(), 1.0 + QUIET).phase is Phase.SETTLING


def test_a_paste_of_the_phrase_is_refused_and_said() -> None:
    refused = taking(EXECUTE).step(Pasted(PHRASE), 1.0)
    assert (refused.text, refused.notice) == ("", "pasted text is refused: type it")
    assert refused.step(Entered(), 2.0).phase is Phase.TAKING


@pytest.mark.parametrize("start", [EXECUTE, REASON])
def test_a_paste_that_comes_as_keys_is_refused(start: Confirmation) -> None:
    burst = typed(taking(start), PHRASE, apart=0.001).step(Entered(), 1.0 + TYPING - 0.01)
    assert (burst.phase, burst.text) == (Phase.QUIET, "")


def test_how_late_enter_comes_makes_no_pasted_phrase_a_typed_one() -> None:
    pasted = typed(taking(EXECUTE), PHRASE, apart=0.001)
    late = pasted.step(Entered(), 9.0)
    assert (late.phase, late.text) == (Phase.QUIET, "")
    assert late.notice == "that came at once, as pasted text does: type it"
    # A reason decides nothing by itself: it may be pasted.
    reason = typed(taking(REASON), PHRASE, apart=0.001)
    assert reason.step(Entered(), 1.01 + TYPING).phase is Phase.CONFIRMED


def test_a_reason_may_be_pasted_but_only_its_first_line_and_nothing_unseen() -> None:
    pasted = taking(REASON).step(Pasted("JIRA-812\x1b\u202e ok\nrm -rf"), 1.0)
    assert pasted.text == "JIRA-812 ok"
    assert taking(REASON).step(Pasted(""), 1.0).text == ""
    assert pasted.step(Entered(), 1.05).phase is Phase.QUIET
    assert pasted.step(Entered(), 1.5).phase is Phase.CONFIRMED


@pytest.mark.parametrize("text", ["", " ", "   "])
def test_a_reason_is_required(text: str) -> None:
    refused = typed(taking(REASON), text).step(Entered(), 9.0)
    assert (refused.phase, refused.notice) == (Phase.TAKING, "a text is required")


@pytest.mark.parametrize("character", ["", "ab", "\n", "\x1b", "\u202e"])
def test_only_single_visible_characters_are_typed(character: str) -> None:
    assert taking(REASON).step(Typed(character), 1.0).text == ""


def test_it_closes_by_itself() -> None:
    ready = typed(taking(EXECUTE), PHRASE)
    assert ready.step(Ticked(), OPEN_FOR - 0.01).phase is Phase.TAKING
    late = ready.step(Entered(), OPEN_FOR)
    assert late.phase is Phase.CLOSED
    assert late.notice == "closed: nothing was confirmed within 60 seconds"
    assert taking(REASON).step(Ticked(), 1e6).phase is Phase.TAKING


def test_it_closes_when_the_plan_is_not_what_it_was() -> None:
    closed = typed(taking(EXECUTE), PHRASE).step(Ended("expired"), 2.0)
    assert (closed.phase, closed.notice) == (Phase.CLOSED, "expired")
    assert taking(GO).step(Entered(), 1.0).step(Ended("x"), 1.01).phase is Phase.CLOSED


EVENTS: list[Event] = [
    Opened(),
    Typed("m"),
    Erased(),
    Cleared(),
    Pasted(PHRASE),
    Entered(),
    OtherKey(),
    Ticked(),
    Ended("e"),
    Failed("f"),
]


@pytest.mark.parametrize("event", EVENTS)
def test_closed_is_for_ever(event: Event) -> None:
    closed = taking(EXECUTE).step(Ended("over"), 1.0)
    assert closed.step(event, 2.0) == closed


@pytest.mark.parametrize("event", EVENTS)
def test_confirmed_is_once_and_only_a_failure_asks_again(event: Event) -> None:
    confirmed = typed(taking(EXECUTE), PHRASE).step(Entered(), 3.0)
    then = confirmed.step(event, 3.1)
    if isinstance(event, Failed):
        assert (then.phase, then.text, then.notice) == (Phase.QUIET, "", "f")
    else:
        assert then == confirmed


@pytest.mark.parametrize("start", [EXECUTE, taking(EXECUTE), taking(GO)])
def test_a_failure_of_nothing_changes_nothing(start: Confirmation) -> None:
    assert start.step(Failed("f"), 1.0) == start


def test_opening_twice_is_opening_once() -> None:
    assert taking(EXECUTE).step(Opened(), 1.0) == taking(EXECUTE)


inputs = st.one_of(
    st.builds(Typed, st.sampled_from([*PHRASE, "x", "\x1b"])),
    st.builds(Pasted, st.sampled_from([PHRASE, PHRASE + "\r", "x"])),
    st.sampled_from([Erased(), Cleared(), Entered(), OtherKey(), Ticked()]),
)


@settings(max_examples=300)
@given(st.lists(st.tuples(inputs, st.sampled_from([0.0, 0.02, 0.1, 0.3, 0.6])), max_size=60))
def test_only_a_typed_phrase_ever_confirms(events: list[tuple[Event, float]]) -> None:
    """Against the rules said another way: the last texts typed since the last pause or loss."""
    state, at = EXECUTE.step(Opened(), 0.0), 0.0
    kept: list[tuple[str, float]] = []
    quiet_since = 0.0
    quiet = True
    for event, pause in events:
        at += pause
        if quiet and at - quiet_since >= QUIET:
            quiet = False
        before, state = state, state.step(event, at)
        if state.phase is Phase.CONFIRMED:
            assert isinstance(event, Entered)
            assert "".join(c for c, _ in kept) == PHRASE
            assert kept[-1][1] - kept[0][1] >= TYPING
            assert not quiet
            return
        if isinstance(event, Ticked):
            continue
        if quiet:
            quiet_since = at
        elif isinstance(event, Typed) and event.character.isprintable():
            kept.append((event.character, at))
        elif isinstance(event, Erased):
            kept = kept[:-1]
        elif isinstance(event, Cleared):
            kept = []
        elif isinstance(event, Entered) and before.matches:
            kept, quiet, quiet_since = [], True, at
