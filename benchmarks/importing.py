"""``import med_mat`` over bare Python, and what it brings in."""

from __future__ import annotations

import subprocess
import sys
import time

HEAVY = ("datasets", "pyarrow", "pydicom", "nibabel", "numpy", "PIL", "yaml", "joblib")


def best_of(code: str, repeats: int = 7) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    bare, ours = best_of("pass"), best_of("import med_mat")
    print(f"\nimport med_mat: {(ours - bare) * 1000:.0f} ms over bare Python ({bare * 1000:.0f} ms)")
    code = f"import med_mat, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    print(f"heavy libraries that it imports: {loaded}")
    first = best_of("import med_mat; med_mat.sources('CT/Lung/*')")
    print(f"med_mat.sources('CT/Lung/*'), all cards read: {(first - bare) * 1000:.0f} ms over bare Python")


if __name__ == "__main__":
    main()
