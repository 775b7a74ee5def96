"""Every guard of pictures that are stored LOSSY, how to take it out, and the tests that notice."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

_RULES = "tests/core/vault/test_compact_rules.py::test_"
_COPIES = "tests/core/vault/test_compact.py::test_"
_WORLD = "tests/core/collection/test_compact.py::test_"
_RULES_FILE = "s3gc_core/vault/compact_rules.py"
_DECODER_FILE = "s3gc_core/vault/compact_decoder.py"
_COMPACT_FILE = "s3gc_core/vault/compact.py"


def _stays_exact(why: str) -> Mutation:
    test = _RULES + "what_a_jpeg_cannot_carry_stays_exact"
    name = f"lossy: {why.lower()} stays exact"
    return Mutation(name, _RULES_FILE, "pass", (test,), before=f"return WhyExact.{why}")


def _lost(what: str, line: str) -> Mutation:
    test = _RULES + "a_copy_that_lost_something_is_not"
    return Mutation(f"lossy: {what} is not lost", _RULES_FILE, "", (test,), before=line)


def _limit(what: str, line: str, test: str) -> Mutation:
    name = f"lossy: a decoder is limited in {what}"
    return Mutation(name, _DECODER_FILE, "", (_COPIES + test,), before=line)


LOSSY: tuple[Mutation, ...] = (
    *map(_stays_exact, ("ALPHA", "ANIMATED", "COLOURS", "DEPTH", "PROFILE", "METADATA", "BOMB")),
    _lost("orientation", "        and copy.orientation == seen.orientation\n"),
    _lost("the profile", "        and copy.profile_digest == seen.profile_digest\n"),
    _lost("EXIF", "        and copy.exif_digest == seen.exif_digest\n"),
    Mutation(
        "lossy: 30 % is saved",
        _RULES_FILE,
        "return exact",
        (_RULES + "thirty_per_cent", _COPIES + "what_stays_exact"),
        before="return exact * (100 - MIN_SAVED) // 100",
    ),
    Mutation(
        "lossy: what a JPEG would lose is looked for",
        _COMPACT_FILE,
        "if False:",
        (_COPIES + "what_stays_exact",),
        before="if holds_more(picture):",
    ),
    Mutation(
        "lossy: a copy is compared with its picture",
        _COMPACT_FILE,
        "if False:",
        (_COPIES + "a_copy_that_is_not_faithful_is_not_used",),
        before="if not is_faithful(seen, copy):",
    ),
    _limit("memory", "(resource.RLIMIT_AS, memory),", "a_decoder_out_of_memory"),
    _limit("processor time", "(resource.RLIMIT_CPU, seconds),", "the_limits_of_a_decoder"),
    _limit("open files", "(resource.RLIMIT_NOFILE, 3),", "the_limits_of_a_decoder"),
    Mutation(
        "lossy: a decoder is limited in time",
        _COMPACT_FILE,
        "",
        (_COPIES + "a_decoder_that_takes_too_long",),
        before="timer.start()",
    ),
    Mutation(
        "lossy: a decoder refuses bombs itself",
        _DECODER_FILE,
        "",
        (_COPIES + "a_bomb_is_never_decoded",),
        before="Image.MAX_IMAGE_PIXELS = int(sys.argv[3])",
    ),
    Mutation(
        "lossy: it is acknowledged",
        "s3gc_core/config_create.py",
        "if False:",
        ("tests/core/test_config_create.py::test_lossy_pictures_are_acknowledged",),
        before='if lossy and values.get("images_acknowledged") != IMAGES_SENTENCE:',
    ),
    Mutation(
        "lossy: it binds the plan",
        "s3gc_core/judgement/conditions.py",
        "",
        (
            "tests/core/judgement/test_conditions.py::test_drift_is_named",
            _WORLD + "before_anything_lossy_is_deleted",
        ),
        before='"images": now.images == Images.COMPACT and then.images != Images.COMPACT,',
    ),
    Mutation(
        "lossy: decoded once more before the delete",
        "s3gc_core/collection/backup.py",
        "if True:",
        (_WORLD + "before_anything_lossy_is_deleted",),
        before="if damage is not None or not intent.backup.is_lossy:",
    ),
    Mutation(
        "lossy: restored where it is accepted",
        "s3gc_core/collection/write_back.py",
        "if True:",
        (
            _WORLD + "lossy_ones_come_back_only_where_that_is_accepted",
            _WORLD + "nothing_passes_for_what_it_is_not",
        ),
        before="if not backup.backup.is_lossy or accept_lossy:",
    ),
    Mutation(
        "lossy: of two words the worse one counts",
        "s3gc_core/vault/stored_bytes.py",
        "if False:",
        (_WORLD + "nothing_passes_for_what_it_is_not",),
        before='if (backup.fidelity == "lossy") != (backup.codec == COMPACT):',
    ),
)
