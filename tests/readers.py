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
#: Builds that every reader sees at least, however fast it opens and however slowly it starts.
BUILDS = 4
#: A reader opens a number of times, and until a file exists; it creates a file of its own once it has begun. It prints
#: how often it opened, how often that failed, and the number of states that it saw.
_READ = """
import sys
from pathlib import Path
import med_mat
failed, sizes, opened = [], set(), 0
while opened < int(sys.argv[2]) or not Path(sys.argv[3]).exists():
    opened += 1
    try:
        mat = med_mat.open(sys.argv[1])
        assert len(mat) == sum(mat.grid().values())
        sizes.add(len(mat))
    except Exception as error:
        failed.append(f"{type(error).__name__}: {error}")
    Path(sys.argv[4]).touch()
print(opened, len(failed), len(sizes), *failed[:1])
"""


@dataclass(frozen=True)
class Seen:
    """What readers saw."""

    opened: int
    failed: int
    states: int  # numbers of records that each reader saw, at least
    builds: int  # that were done meanwhile
    first: str  # of the failures


def watch(folder: Path, opens: int) -> Seen:
    """Build one source and two in turns, with a picture more or fewer, while readers open what is there.

    Args:
        folder: an empty one.
        opens: how often each reader opens at least.
    """
    raw, out, stop, builds = folder / "raw", folder / "out", folder / "stop", 0
    miniature(raw, ["busi", "head_ct"])
    build(find({"busi": None}, raw), out, Options(jobs=1))
    begun, seen = [folder / f"reader {number}" for number in range(READERS)], 0
    command = [sys.executable, "-c", _READ, str(out), str(opens), str(stop)]
    readers = [subprocess.Popen([*command, str(file)], stdout=subprocess.PIPE, text=True) for file in begun]
    picture = next(raw.rglob("head_ct/0*.png"))
    content = picture.read_bytes()
    while any(reader.poll() is None for reader in readers):
        seen += all(file.exists() for file in begun)
        if picture.exists():
            picture.unlink()
        else:
            picture.write_bytes(content)
        names = ("busi", "head_ct") if builds % 2 else ("head_ct",)
        build(find(dict.fromkeys(names), raw), out, Options(jobs=1, allow_fewer=True))
        builds += 1
        if seen >= BUILDS:
            stop.touch()
    told = [(reader.communicate()[0] or "0 1 0 the reader ended").split(maxsplit=3) for reader in readers]
    return Seen(
        opened=sum(int(one[0]) for one in told),
        failed=sum(int(one[1]) for one in told),
        states=min(int(one[2]) for one in told),
        builds=builds,
        first=next((one[3].strip() for one in told if len(one) > 3), ""),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":", 1)[0])
    parser.add_argument("--opens", type=int, default=1000, help="of each reader, at least")
    with tempfile.TemporaryDirectory(prefix="med-mat-readers-") as folder:
        seen = watch(Path(folder), parser.parse_args().opens)
    print(seen)
    sys.exit(bool(seen.failed))


if __name__ == "__main__":
    main()
