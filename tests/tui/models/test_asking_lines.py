"""What is said before a decision about a bucket that keeps versions."""

from __future__ import annotations

import pytest

from s3gc_core.bucket import Versioning
from s3gc_core.judgement import PlanHistory
from s3gc_tui.models.asking_lines import approve_lines, execute_lines
from s3gc_tui.models.lines import Line
from s3gc_tui.models.review import review_of
from tests.tui.models.pictures import ABOUT, NOW, plan, scan


def text_of(lines: list[Line]) -> str:
    return " ".join("".join(piece.text for piece in one.pieces).strip() for one in lines)


@pytest.mark.parametrize(
    ("versioning", "said"),
    [
        (Versioning.DISABLED, ""),
        (Versioning.ENABLED, "The bucket keeps versions"),
        (Versioning.SUSPENDED, "Versioning is suspended"),
        (None, "may not be asked"),
    ],
)
def test_what_is_not_freed_is_said_before(versioning: Versioning | None, said: str) -> None:
    made, of = plan(), scan(versioning=versioning)
    review = review_of(made.sha256)
    review.done = True
    asked = [
        approve_lines(made, review, of, NOW, 80),
        execute_lines(made, PlanHistory(made.sha256, approved=True), ABOUT, review, NOW, 80, of),
    ]
    for text in map(text_of, asked):
        assert ("frees 0 bytes until noncurrent versions expire" in text) is bool(said)
        assert said in text
