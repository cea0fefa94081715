"""The script `tercel`: the same program as build/release/tercel."""
import sys

from ._tercel import _run_program


def main() -> int:
    return int(_run_program(["tercel", *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())
