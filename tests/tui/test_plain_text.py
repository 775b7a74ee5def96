"""What a person reads: the shape of the most used commands' text."""

from __future__ import annotations

import asyncio
import re

from tests.tui.command_line import Ran
from tests.tui.small_world import SmallWorld

# What differs from run to run, by a name that stands for it.
CHANGING = {
    r"\b[0-9A-HJKMNP-TV-Z]{26}\b": "ULID",
    r"\b[0-9a-f]{64}\b": "SHA256",
    r"\d{4}-\d{2}-\d{2}T[\d:.]+Z": "TIME",
    r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}(:\d{2})?": "TIME",
    r"\d+ h \d+ min": "AGE",
    r"bucket-\d+": "BUCKET",
}

SCAN = """
  outcome        nothing-to-do
  operation id   ULID
  listed         6
  referenced     2
  candidates     4
  orphans        0
  held           0
  kept           4
  bytes          0
  sources        main:users.avatar 2
  matches        main:users.avatar (2, 2)
  unsearched     0
  returned       0
  versioning     disabled
"""

CANDIDATES = """\
keep              1  backups/d.txt  modified AGE ago, younger than 7 d
keep             10  gone/a.txt  modified AGE ago, younger than 7 d
keep            200  gone/b.txt  modified AGE ago, younger than 7 d
keep           3000  left/c.txt  modified AGE ago, younger than 7 d

  outcome        done
  shown          4
  verdicts       keep 4
"""

PLANS = """\
ULID  proposed         3 objects           3210 bytes  expires TIME UTC

  outcome        done
  plans          1
"""

PLAN = """\
          10  gone/a.txt
         200  gone/b.txt
        3000  left/c.txt

  outcome        done
  plan id        ULID
  state          proposed
  objects        3
  bytes          3210
  created at     TIME
  expires at     TIME
  sha256         SHA256
  confirm        BUCKET 3
  unsafe store   refuse
  images         exact
"""

QUERY = 'SELECT "avatar" FROM "main"."users" WHERE "id" = 1;'
WHY = f"""\
registry   keep     referenced by main:users.avatar row 1
database   keep     found in main:users.avatar row 1
retention  pass     modified 10 d ago
exclusion  pass     no protected prefix or pattern matches
reference  main users.avatar row 1 (seen by the registry, since TIME UTC)  {QUERY}
reference  main users.avatar row 1 (seen by the database)  {QUERY}

  outcome        done
  key            used/1.jpg
  in bucket      yes
  verdict        keep
  tried          used/1.jpg; 1.jpg
  searched       main:users.avatar
"""


def shape(ran: Ran) -> str:
    """The text with everything that changes from run to run named."""
    assert (ran.code, ran.stderr) == (0, b"")
    text = ran.text
    for pattern, name in CHANGING.items():
        text = re.sub(pattern, name, text)
    return text


async def test_a_scan_and_its_candidates(small: SmallWorld) -> None:
    assert shape(await small.cli("scan")) == SCAN
    assert shape(await small.cli("candidates")) == CANDIDATES


async def test_plans_and_the_reasons(small: SmallWorld) -> None:
    plan = await small.planned()
    plans, shown, why = await asyncio.gather(
        small.cli("plan", "list"),
        small.cli("plan", "show", plan),
        small.cli("why", "used/1.jpg", days=10.0),
    )
    assert shape(plans) == PLANS
    assert shape(shown) == PLAN
    assert shape(why) == WHY


async def test_an_error_is_three_lines_on_standard_error(small: SmallWorld) -> None:
    ran = await small.cli("plan", "show", "X")
    assert (ran.code, ran.stdout) == (7, b"")
    what, why, step = ran.complaints.splitlines()
    assert what == "s3gc: there is no plan X"
    assert why.startswith("  why:  ")
    assert step.startswith("  next: ")


async def test_nobody_is_asked_where_nobody_can_answer(small: SmallWorld) -> None:
    plan = await small.approved()
    ran = await small.cli("execute", "--plan", plan)
    assert ran.code == 3
    assert f'--confirm "{small.world.config.bucket} 3"' in ran.complaints


async def test_colour_is_for_terminals(small: SmallWorld) -> None:
    await small.world.scan()
    ran = await small.cli(
        "candidates", TERM="xterm-256color", FORCE_COLOR="1", COLORTERM="truecolor"
    )
    assert ran.code == 0
    assert b"\x1b" not in ran.stdout + ran.stderr


async def test_the_version(small: SmallWorld) -> None:
    ran = await small.cli("--version")
    assert ran.code == 0
    assert re.fullmatch(r"s3gc \d+\.\d+\.\d+\n", ran.text)
