"""What the dashboard and the command line say alike."""

# Where `unsafe_store` allows it. Whether this store is one is only known once a probe was deleted.
WINDOW = (
    "Should this store ignore If-Match, each object is looked at and compared right before its"
    " delete (head-compare-delete); what is overwritten in the milliseconds in between is lost."
)
