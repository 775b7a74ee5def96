"""`s3gc --batch grant`: made, listed and revoked, each as a process."""

from __future__ import annotations

from tests.tui.small_world import SmallWorld

CREATE = ("grant", "create", "--max-objects", "5", "--max-bytes", "1000", "--days", "30")


async def test_a_grant_from_its_making_to_its_end(small: SmallWorld) -> None:
    nothing = await small.cli.batch(*CREATE, "--reason", "r")
    assert (nothing.code, "--prefix" in nothing.complaints) == (2, True)
    made = await small.cli.batch(*CREATE, "--prefix", "gone/", "--reason", "left over")
    assert (made.code, made.summary["state"], made.summary["prefixes"]) == (0, "valid", ["gone/"])
    grant_id = made.summary["grant_id"]
    revoked = await small.cli.batch("grant", "revoke", grant_id, "--reason", "enough")
    assert (revoked.code, revoked.summary["state"]) == (0, "grant-revoked")
    listed = await small.cli.batch("grant", "list")
    [grant] = listed.of("grant")
    assert (grant["grant_id"], grant["state"], grant["objects"]) == (grant_id, "grant-revoked", 0)
    assert (grant["max_objects"], grant["max_bytes"], grant["reason"]) == (5, 1000, "left over")
    again = await small.cli.batch("grant", "revoke", grant_id, "--reason", "again")
    assert (again.code, again.summary["error"]) == (7, "no-such-grant")
