"""The text that Prometheus reads, read back with its own parser."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from s3gc_core.errors import TextfileNotWritten
from s3gc_core.exposition import Family, Sample, exposition, write_textfile

HOSTILE = 'a "quoted" back\\slash\nand a line'


def read(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Name -> labels and value of each sample, as Prometheus' parser understood it."""
    assert text == "" or text.endswith("\n")
    return {
        family.samples[0].name: [(sample.labels, sample.value) for sample in family.samples]
        for family in text_string_to_metric_families(text)
    }


def test_values_labels_and_help_come_back() -> None:
    families = [
        Family("s3gc_a_total", "counter", f"{HOSTILE}!", (Sample(3),)),
        Family("s3gc_b", "gauge", "B.", (Sample(0.1, {"x": HOSTILE}), Sample(1, {"x": "ünï"}))),
        Family("s3gc_none", "gauge", "Has no sample.", ()),
    ]
    text = exposition(families, {"bucket": "photos"})
    assert read(text) == {
        "s3gc_a_total": [({"bucket": "photos"}, 3.0)],
        "s3gc_b": [
            ({"bucket": "photos", "x": HOSTILE}, 0.1),
            ({"bucket": "photos", "x": "ünï"}, 1),
        ],
    }
    [first, second] = text_string_to_metric_families(text)
    assert (first.type, first.documentation) == ("counter", f"{HOSTILE}!")
    assert (second.type, second.documentation) == ("gauge", "B.")


def test_large_numbers_stay_exact() -> None:
    text = exposition([Family("s3gc_b", "gauge", "B.", (Sample(9_007_199_254_740_991),))], {})
    assert text.splitlines()[-1] == "s3gc_b{} 9007199254740991"
    assert read(text) == {"s3gc_b": [({}, 9_007_199_254_740_991)]}


def test_no_label_acts_on_a_terminal_and_none_breaks_the_file() -> None:
    labels = {"x": "a\x1b[2Jb\x9b\x7f\udc80\u202ec"}
    text = exposition([Family("s3gc_b", "gauge", "B.", (Sample(1),))], labels)
    assert all(line.isprintable() for line in text.splitlines())
    assert read(text)["s3gc_b"][0][0]["x"] == r"a\x1b[2Jb\x9b\x7f\udc80\u202ec"


def test_a_textfile_is_replaced_at_once_and_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "s3gc.prom"
    path.write_text("old")
    with path.open() as before:
        write_textfile(path, "new ü\n")
        assert before.read() == "old"
    assert path.read_text() == "new ü\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "s3gc.prom").mkdir()
    with pytest.raises(TextfileNotWritten):
        write_textfile(tmp_path / "s3gc.prom", "new\n")
    with pytest.raises(TextfileNotWritten):
        write_textfile(tmp_path / "missing" / "s3gc.prom", "new\n")
    assert [path.name for path in tmp_path.iterdir()] == ["s3gc.prom"]
