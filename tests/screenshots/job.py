"""`python -m tests.screenshots.job GATES BOUNDARY ARGUMENTS...`: the demo's job for a picture.

The demo's own, by somebody on a machine that is not ours, in small batches; the Nth batch begins
when the file N is in the folder GATES, so that a picture can be taken between two of them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.screenshots.neutral import be_somebody_else

BATCH_OBJECTS = 10

if __name__ == "__main__":
    gates = Path(sys.argv.pop(1))
    arguments = sys.argv[1:]
    # What puts the gates up reads its own arguments when it is imported.
    del sys.argv[1:]
    from s3gc_tui.demo import job
    from tests.stories.gated import Gates, put_up

    sys.argv[1:] = arguments
    put_up(Gates(gates), BATCH_OBJECTS)
    be_somebody_else()
    sys.exit(job.main())
