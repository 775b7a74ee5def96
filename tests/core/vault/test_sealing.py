"""Encrypted backups: every byte comes back, every damage is one, and no key is no damage."""

from __future__ import annotations

import io
import os
import sys
import threading
from pathlib import Path

import pyrage
import pytest

from s3gc_core.errors import CodecMissing, ConfigurationError, IdentityMissing, IdentityWrong
from s3gc_core.vault import (
    BackupDamaged,
    BackupFiles,
    Keyring,
    StoredBackup,
    decode,
    generate,
    mark_of,
    sealing,
)
from s3gc_core.vault.keyring import read_identities
from s3gc_core.vault.packs import PACKED_BELOW
from tests.core.vault.builders import LATER, OPERATION, names_in, noise, prose
from tests.core.vault.photos import EXACT

# Around the chunks of the age format, what is done in one go, and the limit of a pack.
SIZES = (0, 1, 65_535, 65_536, 65_537, 131_072, PACKED_BELOW - 1_000, 1 << 20, (1 << 20) + 1)


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    generate(tmp_path / "identity")
    return tmp_path / "identity"


def public(identity: Path) -> str:
    return Keyring.public_keys(identity).pop()


def sealing_files(vault: Path, identity: Path, *, key_here: bool = False) -> BackupFiles:
    ring = Keyring([public(identity)], str(identity) if key_here else "")
    return BackupFiles(vault, keyring=ring)


def opening_files(vault: Path, identity: Path) -> BackupFiles:
    """As on another day: there is no throw-away key."""
    return BackupFiles(vault, keyring=Keyring((), str(identity)))


async def sealed(
    files: BackupFiles, data: bytes, *, operation_id: str = OPERATION, jpegxl: bool = False
) -> StoredBackup:
    """Written a MiB at a time, settled and read back, with no other key than the throw-away."""
    await files.create_operation(operation_id)
    writer = files.open_writer(operation_id, "a/b.txt", 3, len(data), jpegxl=jpegxl)
    for start in range(0, len(data), 1 << 20):
        writer.write(data[start : start + (1 << 20)])
    (backup,) = await files.settle(operation_id, [writer.close()])
    if backup.offset is None:
        await files.verify(backup)
    else:
        assert await files.verify_packed([backup]) == [None]
    return backup


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", [noise, prose])
async def test_all_sizes_come_back(vault: Path, identity: Path, size: int, make: object) -> None:
    data = noise(size) if make is noise else prose(size)
    backup = await sealed(sealing_files(vault, identity), data)
    assert backup.sealed == mark_of([public(identity)])
    assert (backup.member or backup.path).endswith((".bin.age", ".zst.age"))
    assert b"".join(opening_files(vault, identity).open_raw(backup)) == data


async def test_a_large_one_goes_through_in_bounded_memory(
    vault: Path, identity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = noise(20_000_000)
    most: list[int] = []
    ready = sealing._SealingStream._ready

    def counted(stream: sealing._SealingStream) -> list[bytes]:
        pieces = ready(stream)
        most.append(sum(map(len, pieces)))
        return pieces

    monkeypatch.setattr(sealing._SealingStream, "_ready", counted)
    backup = await sealed(sealing_files(vault, identity), data)
    assert len(most) > 15
    assert max(most) <= 3 << 20
    assert backup.stored_size > len(data)
    assert b"".join(opening_files(vault, identity).open_raw(backup)) == data
    assert {t.name for t in threading.enumerate()}.isdisjoint({"s3gc-seal", "s3gc-unseal"})


async def test_a_photograph_as_jpeg_xl_is_encrypted_too(vault: Path, identity: Path) -> None:
    data = EXACT["colour"]
    backup = await sealed(sealing_files(vault, identity), data, jpegxl=True)
    assert backup.codec == "jxl"
    assert (backup.member or "").endswith(".jxl.age")
    assert b"".join(opening_files(vault, identity).open_raw(backup)) == data


@pytest.mark.parametrize("size", [5_000, 3_000_000])
async def test_nothing_of_it_can_be_read_in_the_vault(
    vault: Path, identity: Path, size: int
) -> None:
    data = b"the very words" * (size // 14)
    backup = await sealed(sealing_files(vault, identity), data)
    stored = (vault / backup.path).read_bytes()
    assert b"very words" not in stored
    start = backup.offset or 0
    member = stored[start : start + backup.stored_size]
    assert member.startswith(b"age-encryption.org/v1\n")
    # By hand: age, then zstd.
    opened = pyrage.decrypt(member, read_identities(identity))
    assert opened.startswith(b"\x28\xb5\x2f\xfd")
    for folder, _, files in os.walk(vault):
        for name in files:
            assert b"AGE-SECRET-KEY" not in Path(folder, name).read_bytes()


@pytest.mark.parametrize("size", [3_000, 200_000, 1_500_000])
async def test_damage_anywhere_is_damage(vault: Path, identity: Path, size: int) -> None:
    backup = await sealed(sealing_files(vault, identity), noise(size))
    files, path = opening_files(vault, identity), vault / backup.path
    path.chmod(0o600)
    whole = path.read_bytes()
    start, end = backup.offset or 0, (backup.offset or 0) + backup.stored_size
    header = whole.index(b"\n---", start)
    # Version, both stanzas, the header's MAC, the nonce, chunks, their edges and the last tag.
    places = [start, start + 30, start + 60, start + 150, header + 5, header + 40, header + 60]
    places += [*range(header + 300, end, max(1, size // 7)), end - 16, end - 1]
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(BackupDamaged):
            await files.verify(backup)
        with pytest.raises(BackupDamaged):
            await files.proven(backup)
    path.write_bytes(whole)
    await files.verify(backup)


async def test_cut_or_longer_is_damage(vault: Path, identity: Path) -> None:
    backup = await sealed(sealing_files(vault, identity), noise(300_000))
    files, path = opening_files(vault, identity), vault / backup.path
    whole = path.read_bytes()
    for cut in (0, 1, 100, 200, 70_000, 131_500, len(whole) - 16, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(BackupDamaged):
            await files.verify(backup)
    path.write_bytes(whole + b"\0")
    with pytest.raises(BackupDamaged):
        await files.verify(backup)


@pytest.mark.parametrize("size", [3_000, 3_000_000])
async def test_another_key_or_none_is_no_damage(vault: Path, identity: Path, size: int) -> None:
    files = sealing_files(vault, identity)
    data = noise(size)
    backup = await sealed(files, data)
    files.keyring.forget(OPERATION)
    for read in (files.verify, files.proven):
        with pytest.raises(IdentityMissing) as missing:
            await read(backup)
    assert missing.value.exit_code == 2
    assert not files.keyring.may_open(backup)
    other = identity.with_name("other")
    generate(other)
    with pytest.raises(IdentityWrong):
        await opening_files(vault, other).proven(backup)
    # Both in one file, as after a change of keys.
    other.write_text(other.read_text() + identity.read_text())
    assert b"".join(opening_files(vault, other).open_raw(backup)) == data


@pytest.mark.parametrize("size", [3_000, 3_000_000])
async def test_what_was_encrypted_wrongly_is_no_backup(
    vault: Path, identity: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash of the stored bytes is right; only who decrypts them sees it."""
    seal = sealing.Sealer.seal

    def wrongly(sealer: sealing.Sealer, piece: bytes | memoryview) -> list[bytes]:
        return seal(sealer, bytes(byte ^ 1 for byte in piece[:1]) + bytes(piece[1:]))

    monkeypatch.setattr(sealing.Sealer, "seal", wrongly)
    files = sealing_files(vault, identity)
    await files.create_operation(OPERATION)
    writer = files.open_writer(OPERATION, "k", 3, size)
    writer.write(noise(size))
    (backup,) = await files.settle(OPERATION, [writer.close()])
    with pytest.raises(BackupDamaged, match="other raw bytes"):
        await files.verify(backup)


async def test_each_recipient_opens_it_alone(vault: Path, identity: Path) -> None:
    escrow = identity.with_name("escrow")
    ring = Keyring([public(identity), generate(escrow)])
    backup = await sealed(BackupFiles(vault, keyring=ring), noise(2_000))
    for alone in (identity, escrow):
        assert b"".join(opening_files(vault, alone).open_raw(backup)) == noise(2_000)
    assert backup.sealed == mark_of(reversed(ring.recipients))
    assert backup.sealed != mark_of([public(identity)])


async def test_each_operation_has_a_throw_away_key_of_its_own(vault: Path, identity: Path) -> None:
    files = sealing_files(vault, identity)
    first = await sealed(files, noise(2_000))
    second = await sealed(files, noise(2_000), operation_id=LATER)
    assert files.keyring.identities(first) != files.keyring.identities(second)
    files.keyring.forget(OPERATION)
    assert (files.keyring.may_open(first), files.keyring.may_open(second)) == (False, True)


async def test_before_and_after_in_one_vault(vault: Path, identity: Path) -> None:
    plain = await sealed(BackupFiles(vault), noise(4_000))
    assert (plain.sealed, (plain.member or "")[-4:]) == ("", ".bin")
    later = await sealed(sealing_files(vault, identity), noise(5_000), operation_id=LATER)
    for files in (opening_files(vault, identity), sealing_files(vault, identity, key_here=True)):
        assert b"".join(files.open_raw(plain)) == noise(4_000)
        assert b"".join(files.open_raw(later)) == noise(5_000)
    assert b"".join(BackupFiles(vault).open_raw(plain)) == noise(4_000)


async def test_a_writer_that_is_given_up_leaves_neither_file_nor_thread(
    vault: Path, identity: Path
) -> None:
    files = sealing_files(vault, identity)
    await files.create_operation(OPERATION)
    writer = files.open_writer(OPERATION, "k", 3, 10 << 20)
    for _ in range(4):
        writer.write(noise(1 << 20))
    (thread,) = (t for t in threading.enumerate() if t.name == "s3gc-seal")
    assert names_in(vault) != set()
    writer.abandon()
    thread.join(20)
    assert not thread.is_alive()
    assert names_in(vault) == set()


async def test_reading_may_end_early(vault: Path, identity: Path) -> None:
    backup = await sealed(sealing_files(vault, identity), noise(5 << 20))
    chunks = opening_files(vault, identity).open_raw(backup)
    next(chunks)
    (thread,) = (t for t in threading.enumerate() if t.name == "s3gc-unseal")
    chunks.close()
    assert not thread.is_alive()


@pytest.mark.parametrize("size", [3_000, 3_000_000])
def test_what_the_disk_says_is_not_taken_for_damage(identity: Path, size: int) -> None:
    """pyrage makes something else of it."""

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 1_000:
                raise OSError(28, "no room, of all things")
            return super().read(min(size or 0, 1_001))

    stored = pyrage.encrypt(noise(size), [read_identities(identity)[0].to_public()])
    unsealed = sealing.Unsealed(Broken(stored), read_identities(identity), len(stored))
    with pytest.raises(OSError, match="of all things") as raised:
        list(decode(unsealed, "raw"))
    unsealed.close()
    assert raised.value.errno == 28


async def test_a_file_of_keys_is_for_its_owner_alone(vault: Path, identity: Path) -> None:
    backup = await sealed(sealing_files(vault, identity), b"x")
    assert identity.stat().st_mode & 0o777 == 0o600
    files = opening_files(vault, identity)
    identity.chmod(0o640)
    with pytest.raises(IdentityMissing, match="read by others"):
        await files.verify(backup)
    identity.chmod(0o600)
    secret = identity.read_text()
    for wrong in ("", "# nothing\n", secret.lower(), secret[:-5], secret[:-3] + "QQ\n", "\0" * 9):
        identity.write_text(wrong)
        with pytest.raises(IdentityMissing) as told:
            await files.verify(backup)
        assert "AGE-SECRET" not in str(told.value) + repr(told.value.__context__)
    identity.unlink()
    with pytest.raises(IdentityMissing, match="No such file"):
        await files.verify(backup)


def test_a_new_key_is_never_written_over_another(tmp_path: Path) -> None:
    file = tmp_path / "key"
    made = generate(file)
    before = file.read_text()
    assert Keyring.public_keys(file) == {made}
    with pytest.raises(FileExistsError):
        generate(file)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        generate(tmp_path / "link")
    assert file.read_text() == before


def test_a_recipient_with_a_typing_error_is_named() -> None:
    wrong = "age1" + "q" * 58
    with pytest.raises(ConfigurationError, match=r"encryption_recipients\[0\]"):
        Keyring([wrong]).sealer(OPERATION)


async def test_without_the_library_no_backup_is_called_damaged(
    vault: Path, identity: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = await sealed(sealing_files(vault, identity), b"x")
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "pyrage", None)
        with pytest.raises(CodecMissing) as missing:
            await opening_files(vault, identity).verify(backup)
    assert "s3gc[encrypt]" in missing.value.next_step
    assert (missing.value.exit_code, missing.value.name) == (2, "codec-missing")
