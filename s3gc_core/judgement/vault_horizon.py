"""The guard `vault-horizon`: what is deleted is restorable as long as its rows can come back."""

from __future__ import annotations

from s3gc_core.judgement.guards import Tripped


def vault_horizon(horizon_days: int, restore_days: int) -> list[Tripped]:
    """Backups must be kept at least as long as a database can be restored back in time.

    A database brought back to last month brings last month's references back, and their files
    have to come from the vault. `horizon_days`: after so many, a clean-up of the vault may look at
    a backup. `restore_days`: how far back the databases can go; nobody but the operator knows.
    """
    if horizon_days >= restore_days:
        return []
    return [
        Tripped(
            "vault-horizon",
            f"the vault keeps backups for {horizon_days} days (vault_horizon_days), but a database"
            f" can be restored to a state of {restore_days} days ago (database_restore_days), whose"
            " files would then be nowhere",
            f"set vault_horizon_days to {restore_days} or more; or database_restore_days to what"
            " the databases' backups and point-in-time recovery really reach back",
        )
    ]
