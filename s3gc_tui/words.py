"""What the dashboard and the command line say alike."""

# Where `unsafe_store` allows it. Whether this store is one is only known once a probe was deleted.
WINDOW = (
    "Should this store ignore If-Match, each object is looked at and compared right before its"
    " delete (head-compare-delete); what is overwritten in the milliseconds in between is lost."
)
# With images = "compact", which whoever approves or executes need not have written.
LOSSY_IMAGES = (
    'Pictures may be stored LOSSY (images = "compact"): what can be restored of them is smaller and'
    " worse, and the originals are gone for ever."
)
# A restore to another place, while our own bucket is away.
RECOVERY_PENDING = (
    "What an earlier operation left open is still to be recovered: the bucket is away, or is"
    " not the one this vault belongs to. Its backups were restored as well, whether or not their"
    " objects are gone."
)
# Of a restore with `--overwrite`.
OVERWRITTEN = "What is overwritten is not backed up first, and cannot be brought back by s3gc."
