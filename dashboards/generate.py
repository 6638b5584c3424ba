"""Write the dashboards from their source in `boards`. With --check: write nothing, fail if a file differs.

python dashboards/generate.py [--check]
"""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

from boards import errors, exporter, kit, overview  # noqa: E402  (the folder is put on the path above)

BOARDS = {"zai-overview.json": overview, "zai-errors.json": errors, "zai-exporter.json": exporter}


def rendered() -> dict[str, str]:
    return {name: kit.as_json(module.build()) for name, module in BOARDS.items()}


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(f"unknown arguments {arguments}: only --check is known", file=sys.stderr)
        return 64
    stale = []
    for name, text in rendered().items():
        path = FOLDER / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if arguments:
            stale.append(name)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote dashboards/{name}")
    if stale:
        print(
            f"differ from dashboards/boards: {', '.join(stale)}; run `python dashboards/generate.py`", file=sys.stderr
        )
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
