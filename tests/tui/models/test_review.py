"""What a plan comes to, checked against the same said with lists."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from s3gc_core.judgement import Layers, LayerVerdict, PlanItem, Verdict
from s3gc_tui.models.review import SHOWN, Folder, Reviewed, review_of

START = datetime(2026, 1, 1, tzinfo=UTC)
PASS = LayerVerdict(Verdict.PASS, "fine")
LAYERS = Layers(PASS, PASS, PASS, PASS)


def items(number: int) -> list[PlanItem]:
    rolls = random.Random(1)
    return [
        PlanItem(
            f"{'abc'[i % 3]}/{i:05}" if i % 7 else f"top-{i:05}",
            f'"{i}"',
            rolls.randrange(50),
            START + timedelta(hours=rolls.randrange(100)),
            "STANDARD",
            LAYERS,
        )
        for i in range(number)
    ]


def looked_at(of: list[PlanItem]) -> list[Reviewed]:
    return [Reviewed(i.key, i.size, i.last_modified) for i in of]


def test_everything_is_added_up() -> None:
    all_ = items(1_000)
    review = review_of("seed")
    review.add(all_[:400])
    review.add(all_[400:])
    assert (review.objects, review.bytes) == (1_000, sum(i.size for i in all_))
    assert (review.excluded_objects, review.excluded_bytes, review.not_in_plan) == (0, 0, 0)
    assert review.seen == 1_000
    by_size = sorted(enumerate(all_), key=lambda pair: (-pair[1].size, pair[0]))
    assert review.largest() == looked_at([i for _, i in by_size[:SHOWN]])
    by_age = sorted(enumerate(all_), key=lambda pair: (pair[1].last_modified, pair[0]))
    assert review.oldest() == looked_at([i for _, i in by_age[:SHOWN]])
    folders = {f.prefix: (f.objects, f.bytes) for f in review.folders()}
    expected: dict[str, tuple[int, int]] = {}
    for item in all_:
        name = item.key[:2] if "/" in item.key else ""
        objects, size = expected.get(name, (0, 0))
        expected[name] = (objects + 1, size + item.size)
    assert folders == expected
    assert [f.bytes for f in review.folders()] == sorted((b for _, b in expected.values()))[::-1]
    assert review.elsewhere == (0, 0)


def test_what_may_be_lossy_is_counted_by_size_and_by_name() -> None:
    sizes = {"a.JPG": 20_000, "b.png": 19_999, "c": 32 << 20, "d.webp": (32 << 20) + 1, "e.x": 9**6}
    at = START
    review = review_of("seed")
    review.add(PlanItem(k, '"e"', size, at, "STANDARD", LAYERS) for k, size in sizes.items())
    assert (review.may_be_lossy, review.called_pictures) == (3, 1)


def test_a_part_is_what_the_core_selects() -> None:
    all_ = items(300)
    keys = {all_[0].key, all_[8].key, "not/there"}
    review = review_of("seed", ["a/"], keys)
    review.add(all_)
    chosen = [i for i in all_ if i.key.startswith("a/") or i.key in keys]
    assert (review.objects, review.bytes) == (len(chosen), sum(i.size for i in chosen))
    assert review.excluded_objects == 300 - len(chosen)
    assert review.excluded_bytes == sum(i.size for i in all_) - review.bytes
    assert review.not_in_plan == 1
    assert review.seen == 300
    shown = {one.key for one in [*review.largest(), *review.oldest(), *review.sample()]}
    assert shown <= {i.key for i in chosen}


def test_keys_alone_choose_no_others() -> None:
    review = review_of("seed", (), [items(5)[2].key])
    review.add(items(5))
    assert (review.objects, review.excluded_objects) == (1, 4)


def test_the_sample_is_the_same_for_the_same_plan_and_any_of_it() -> None:
    def sample(seed: str) -> list[str]:
        review = review_of(seed)
        review.add(items(500))
        return [one.key for one in review.sample()]

    assert sample("one") == sample("one")
    assert sample("one") != sample("another")
    assert len(set(sample("one"))) == SHOWN
    seen = {key for number in range(200) for key in sample(str(number))}
    assert len(seen) > 450


def test_memory_is_bounded() -> None:
    review = review_of("seed")
    review.add(PlanItem(f"{i:06}/x", '"e"', 1, START, "STANDARD", LAYERS) for i in range(3_000))
    assert len(review.folders()) == 1_000
    assert review.elsewhere == (2_000, 2_000)
    assert review.folders()[0] == Folder("000000/", 1, 1)
    lists = (review.largest(), review.oldest(), review.sample())
    assert [len(of) for of in lists] == [SHOWN] * 3
