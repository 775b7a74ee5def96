"""What starts the service elsewhere, as `s3gc serve --print-...` prints it.

s3gc serve --print-unit | sudo tee /etc/systemd/system/s3gc.service
s3gc serve --print-containerfile >Containerfile; s3gc serve --print-compose >compose.yaml
"""

from __future__ import annotations

import getpass
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from s3gc_core.service.profiles import Profile

# Exit codes after which starting again cannot help: usage, and what a person has to decide.
_FINAL = "2 3"
# Those of a service that was asked to end.
_ENDED = "129 130 143"
# An ending service takes 50 s at most: 10 for the API, 30 for a run, and a margin.
_STOP_SECONDS = 90

_UNIT = """\
[Unit]
Description=s3gc: schedule, follower, drills and replica
Wants=network-online.target
After=network-online.target time-sync.target

[Service]
Type=notify
NotifyAccess=main
User={user}
WorkingDirectory={folder}
# What the configuration takes from the environment, such as passwords:
# EnvironmentFile=/etc/s3gc.env
ExecStart={command}
Restart=always
RestartSec=5
RestartPreventExitStatus={final}
SuccessExitStatus={ended}
WatchdogSec=60
# It ends its children itself, each at a safe point; only what is left then is killed.
KillMode=mixed
TimeoutStopSec={stop}
# A run that takes more memory than there is ends alone.
OOMPolicy=continue
NoNewPrivileges=yes
ProtectSystem=full
PrivateTmp=yes
UMask=0077

[Install]
WantedBy=multi-user.target
"""

_CONTAINERFILE = """\
# Build in a checkout of s3gc. Run it with a read-only root, as the compose file does.
FROM docker.io/library/python:3.12-slim AS build
COPY . /src
RUN python -m venv /opt/s3gc
RUN /opt/s3gc/bin/pip install --no-cache-dir /src[api]

FROM docker.io/library/python:3.12-slim
COPY --from=build /opt/s3gc /opt/s3gc
RUN useradd --system --uid 10001 --home-dir /nonexistent --no-create-home s3gc
RUN install -d -o s3gc -g s3gc -m 0700 /vault
ENV PATH=/opt/s3gc/bin:$PATH PYTHONDONTWRITEBYTECODE=1 S3GC_VAULT_PATH=/vault/s3gc
VOLUME /vault
USER 10001
WORKDIR /tmp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=30s --start-period=30s \\
    CMD ["s3gc", "--config", "/etc/s3gc/s3gc.toml", "--batch", "serve", "--check"]
ENTRYPOINT ["s3gc", "--config", "/etc/s3gc/s3gc.toml", "--batch", "serve"]
"""

_COMPOSE = """\
# S3_BUCKET and DATABASE_URL are required; s3gc.toml beside this file names the [tables].
services:
  s3gc:
    build:
      context: .
      dockerfile: Containerfile
    init: true
    read_only: true
    tmpfs:
      - /tmp
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    restart: unless-stopped
    stop_grace_period: {stop}s
    # The admin API, which is there where its key is, for this machine only.
    ports: ["127.0.0.1:8473:8473"]
    environment:
      S3_BUCKET: ${{S3_BUCKET:?the bucket}}
      DATABASE_URL: ${{DATABASE_URL:?the database}}
      S3GC_EXECUTE_MODE: ${{S3GC_EXECUTE_MODE:-false}}
      # Without a value: as in the environment of who starts it, if it is there at all.
      S3GC_ADMIN_API_KEY:
      S3GC_API_HOST: 0.0.0.0
      AWS_REGION: ${{AWS_REGION:-us-east-1}}
      AWS_ACCESS_KEY_ID:
      AWS_SECRET_ACCESS_KEY:
    volumes:
      - ./s3gc.toml:/etc/s3gc/s3gc.toml:ro
      - vault:/vault
volumes:
  vault:
"""


def unit(profiles: Sequence[Profile]) -> str:
    """A unit for this user, this folder and this s3gc, with the given profiles."""
    first, *others = profiles
    also = [word for profile in others for word in ("--also", profile.name)]
    program = str(Path(sys.argv[0]).absolute())
    command = [program, *first.options, "--batch", "serve", *also]
    return _UNIT.format(
        user=getpass.getuser(),
        folder=Path.cwd(),
        command=" ".join(map(_quoted, command)),
        final=_FINAL,
        ended=_ENDED,
        stop=_STOP_SECONDS,
    )


def containerfile(_: Sequence[Profile]) -> str:
    """A Containerfile in two stages: what builds is not in what runs, which is nobody's root."""
    return _CONTAINERFILE


def compose(_: Sequence[Profile]) -> str:
    """A compose file for that, with a volume for the vault."""
    return _COMPOSE.format(stop=_STOP_SECONDS)


def _quoted(word: str) -> str:
    # systemd replaces what begins with % and $ (systemd.service(5), "Command lines").
    return shlex.quote(word).replace("%", "%%").replace("$", "$$")


PRINTED: Mapping[str, Callable[[Sequence[Profile]], str]] = {
    "unit": unit,
    "containerfile": containerfile,
    "compose": compose,
}
