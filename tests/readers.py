"""Two readers open a Med-MAT again and again while builds change it: `python -m tests.readers --opens 1000`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from med_mat.building import Options, build, find
from med_mat.demo import miniature

READERS = 2
#: What a reader does: it opens so many times, and says how often that failed, and how many states it saw.
_READ = """
import sys
import med_mat
failed, sizes = [], set()
for _ in range(int(sys.argv[2])):
    try:
        mat = med_mat.open(sys.argv[1])
        assert len(mat) == sum(mat.grid().values())
        sizes.add(len(mat))
    except Exception as error:
        failed.append(f"{type(error).__name__}: {error}")
print(len(failed), len(sizes), *failed[:1])
"""


@dataclass(frozen=True)
class Seen:
    """What readers saw."""

    opened: int
    failed: int
    states: int  # numbers of records that a reader saw, at most
    builds: int  # that were done meanwhile
    first: str  # of the failures


def watch(folder: Path, opens: int) -> Seen:
    """Build one source and two in turns, with a picture more or fewer, while readers open what is there.

    Args:
        folder: an empty one.
        opens: how often each reader opens.
    """
    raw, out, builds = folder / "raw", folder / "out", 0
    miniature(raw, ["busi", "head_ct"])
    build(find({"busi": None}, raw), out, Options(jobs=1))
    command = [sys.executable, "-c", _READ, str(out), str(opens)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(READERS)]
    picture = next(raw.rglob("head_ct/0*.png"))
    content = picture.read_bytes()
    while any(reader.poll() is None for reader in readers):
        if picture.exists():
            picture.unlink()
        else:
            picture.write_bytes(content)
        names = ("busi", "head_ct") if builds % 2 else ("head_ct",)
        build(find(dict.fromkeys(names), raw), out, Options(jobs=1, allow_fewer=True))
        builds += 1
    told = [(reader.communicate()[0] or "1 0 the reader ended").split(maxsplit=2) for reader in readers]
    return Seen(
        opened=opens * READERS,
        failed=sum(int(one[0]) for one in told),
        states=max(int(one[1]) for one in told),
        builds=builds,
        first=next((one[2].strip() for one in told if len(one) > 2), ""),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":", 1)[0])
    parser.add_argument("--opens", type=int, default=1000, help="of each reader")
    with tempfile.TemporaryDirectory(prefix="med-mat-readers-") as folder:
        seen = watch(Path(folder), parser.parse_args().opens)
    print(seen)
    sys.exit(bool(seen.failed))


if __name__ == "__main__":
    main()
