"""What is sent to Lambda: the size of each package and of the layer that ``make build`` made, zipped and unzipped."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

BUILT = Path(__file__).parents[1] / ".aws-sam/build"
LAYER = "DependenciesLayer"
LIMIT = 250 * 1024 * 1024
"""What a function and its layer may come to, unzipped."""


def sizes(folder: Path) -> tuple[int, int, int]:
    """The bytes of a folder, the bytes of its byte code, and its bytes zipped as SAM does."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as package:
        for path in files:
            package.write(path, path.relative_to(folder))
    compiled = sum(path.stat().st_size for path in files if path.suffix == ".pyc")
    return sum(path.stat().st_size for path in files), compiled, len(packed.getvalue())


def main() -> None:
    """Print a line for each package, and what is largest in the layer."""
    if not BUILT.is_dir():
        raise SystemExit("Nothing is built yet: make build")
    print(f"{'':<26}{'unzipped':>12}{'byte code':>12}{'zipped':>12}")
    largest = 0
    for folder in sorted(path for path in BUILT.iterdir() if path.is_dir()):
        whole, compiled, packed = sizes(folder)
        print(f"{folder.name:<26}{_kb(whole)}{_kb(compiled)}{_kb(packed)}")
        largest = max(largest, whole if folder.name != LAYER else 0)
    layer = BUILT / LAYER / "python"
    together = largest + sizes(layer)[0]
    print(f"\na function with its layer: {together / LIMIT:.0%} of what Lambda takes")
    parts = sorted(((sizes(path)[0], path.name) for path in layer.iterdir() if path.is_dir()), reverse=True)
    print("in the layer: " + ", ".join(f"{name} {_kb(size).strip()}" for size, name in parts[:6]))


def _kb(size: int) -> str:
    return f"{f'{size / 1024:,.0f} KB':>12}"


if __name__ == "__main__":
    main()
