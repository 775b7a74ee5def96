"""Signed anchors: a log that was made anew, with anchors that fit it, is not believed."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from s3gc_core.actions.signing import sign_log
from s3gc_core.config import Config
from s3gc_core.errors import AnchorKeyUnusable, AuditBroken
from s3gc_core.vault import AuditLog, Outcome, Result, Signing, generate_anchor_key
from s3gc_core.vault.anchors import read_anchors
from tests.core.vault.builders import OPERATION, SteppingClock


@pytest.fixture
def key(tmp_path: Path) -> Path:
    generate_anchor_key(tmp_path / "anchor.key")
    return tmp_path / "anchor.key"


async def written(
    vault: Path, signing: Signing | None, *keys: str, outside: Path | None = None
) -> None:
    """A record for each key, and an anchor behind the last."""
    log = await AuditLog.open(vault, SteppingClock(), outside, signing)
    try:
        for one in keys:
            await log.append(OPERATION, [Result(one, Outcome.DELETED)])
        await log.anchor()
    finally:
        await log.close()


async def verified(vault: Path, signing: Signing, outside: Path | None = None) -> int | None:
    """Up to which record it is signed."""
    log = await AuditLog.open(vault, SteppingClock(), outside, signing)
    try:
        await log.verify()
        return await log.signed_upto()
    finally:
        await log.close()


def edit(vault: Path, **fields: object) -> None:
    """Change the last anchor."""
    file = vault / "anchors.jsonl"
    *lines, last = file.read_text().splitlines()
    file.write_text("\n".join([*lines, json.dumps({**json.loads(last), **fields})]) + "\n")


async def test_what_is_signed_is_believed(vault: Path, key: Path) -> None:
    await written(vault, Signing(str(key)), "a", "b")
    await written(vault, Signing(str(key)), "c")
    assert await verified(vault, Signing(str(key))) == 3
    # By the public key alone, elsewhere; and without any nothing is asked.
    public = read_anchors(vault)[0].key
    assert await verified(vault, Signing("", [public])) == 3
    assert await verified(vault, Signing()) is None
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().split("-")[-1].strip() not in (vault / "anchors.jsonl").read_text()


async def test_a_log_made_anew_with_anchors_that_fit_is_found(
    vault: Path, key: Path, tmp_path: Path
) -> None:
    await written(vault, Signing(str(key)), "a", "b")
    forged = tmp_path / "forged"
    forged.mkdir(mode=0o700)
    await written(forged, None, "a", "x")
    assert await verified(forged, Signing()) is None  # by itself it is without a fault
    for name in ("audit.db", "anchors.jsonl"):
        shutil.copy(forged / name, vault / name)
    with pytest.raises(AuditBroken, match="record 2, is not signed"):
        await verified(vault, Signing(str(key)))
    # Nor signed by a key of their own, nor with our name on it, nor without anchors at all.
    ours = Signing(str(key))
    generate_anchor_key(tmp_path / "theirs")
    public = Signing(str(key)).signed(read_anchors(forged)[0]).key
    edit(vault, key=public, signature="00" * 64)
    with pytest.raises(AuditBroken, match="forged"):
        await verified(vault, ours)
    stranger = Signing(str(tmp_path / "theirs")).signed(read_anchors(forged)[0])
    edit(vault, key=stranger.key, signature=stranger.signature)
    with pytest.raises(AuditBroken, match="not signed by a key that is trusted"):
        await verified(vault, ours)
    (vault / "anchors.jsonl").unlink()
    with pytest.raises(AuditBroken, match="2 records, and no anchor"):
        await verified(vault, ours)


async def test_a_cut_log_with_a_forged_anchor_is_found(
    vault: Path, key: Path, tmp_path: Path
) -> None:
    signing, outside = Signing(str(key)), tmp_path / "outside.jsonl"
    await written(vault, signing, "a", outside=outside)
    older = tmp_path / "older"
    shutil.copytree(vault, older)
    await written(vault, signing, "b", "c", outside=outside)
    # Cut off behind its first record, which was signed: only what is not in the vault can tell.
    assert await verified(older, signing) == 1
    with pytest.raises(AuditBroken, match="record 3 is missing"):
        await verified(older, signing, outside)
    # Gone on with another way, it is longer than what was signed; an anchor for that is not.
    await written(older, None, "x", "y")
    with pytest.raises(AuditBroken, match="record 3, is not signed"):
        await verified(older, signing)


@pytest.mark.parametrize(
    "fields", [{"seq": 1}, {"at": "2026-03-01T12:00:09Z"}, {"signature": ""}, {"signature": "zz"}]
)
async def test_no_word_of_a_signed_anchor_can_be_changed(
    vault: Path, key: Path, fields: dict[str, object]
) -> None:
    await written(vault, Signing(str(key)), "a", "b")
    edit(vault, **fields)
    with pytest.raises(AuditBroken):
        await verified(vault, Signing(str(key)))


async def test_signing_begins_by_a_word_of_the_operator(vault: Path, key: Path) -> None:
    """What was there before is not signed by itself: it may be anybody's."""
    await written(vault, None, "a", "b")
    signing = Signing(str(key))
    with pytest.raises(AuditBroken, match="not signed") as refused:
        await written(vault, signing, "c")
    assert "s3gc vault audit sign" in refused.value.next_step
    config = Config("bucket", vault_path=vault, anchor_key_file=str(key))
    assert await sign_log(config, SteppingClock()) == 2
    assert await verified(vault, signing) == 2
    await written(vault, signing, "c")
    assert await verified(vault, signing) == 3
    # What does not fit is not signed, whoever asks.
    edit(vault, hash="00" * 32, signature="", key="")
    with pytest.raises(AuditBroken):
        await sign_log(config, SteppingClock())
    with pytest.raises(AnchorKeyUnusable):
        await sign_log(Config("bucket", vault_path=vault), SteppingClock())


async def test_after_a_change_of_keys_the_earlier_one_is_trusted_where_that_is_said(
    vault: Path, key: Path
) -> None:
    await written(vault, Signing(str(key)), "a")
    first, second = read_anchors(vault)[0].key, key.with_name("second")
    generate_anchor_key(second)
    with pytest.raises(AuditBroken):
        await verified(vault, Signing(str(second)))
    both = Signing(str(second), [first])
    await written(vault, both, "b")
    assert await verified(vault, both) == 2


async def test_who_only_verifies_writes_no_anchor(vault: Path, key: Path) -> None:
    await written(vault, Signing(str(key)), "a")
    public = read_anchors(vault)[0].key
    await written(vault, Signing("", [public]), "b")
    assert [anchor.seq for anchor in read_anchors(vault)] == [1]
    assert await verified(vault, Signing(str(key))) == 1


async def test_a_key_that_cannot_be_used_is_told_without_its_contents(
    vault: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signing = Signing(str(key))
    await written(vault, signing, "a")
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "nacl.signing", None)
        with pytest.raises(AnchorKeyUnusable) as missing:
            await verified(vault, signing)
        assert "s3gc[sign]" in missing.value.next_step
    key.chmod(0o644)
    with pytest.raises(AnchorKeyUnusable, match="owner alone"):
        await verified(vault, signing)
    key.chmod(0o600)
    secret = key.read_text()
    for wrong in ("", secret[:-4], secret.upper(), secret * 2):
        key.write_text(wrong)
        with pytest.raises(AnchorKeyUnusable) as told:
            await verified(vault, signing)
        assert "S3GC-ANCHOR" not in str(told.value)
    key.unlink()
    with pytest.raises(AnchorKeyUnusable, match="No such file"):
        await verified(vault, signing)
    with pytest.raises(FileExistsError):
        generate_anchor_key(vault / "audit.db")
