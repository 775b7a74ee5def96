"""Why a candidate cannot be marked, in one line."""

from __future__ import annotations

from s3gc_core.judgement import Judged, Layers, Verdict


def why_not(judged: Judged | None) -> str:
    """The layers that do not let it go, with their reasons, not cleaned."""
    if judged is None:
        return "it was listed again since: r shows it as it is now"
    stopping = [
        f"{name}: {getattr(judged.layers, name).reason}"
        for wanted in (Verdict.KEEP, Verdict.UNKNOWN)
        for name in Layers.__struct_fields__
        if getattr(judged.layers, name).verdict is wanted
    ]
    return f"{judged.verdict.upper()}, so it is not marked: " + "; ".join(
        [*stopping, *judged.doubts]
    )
