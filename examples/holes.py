"""Word counts of a text file, with holes: `seedfill fill examples/holes.py --holes` fills them all at once."""

import sys
from collections import Counter
from pathlib import Path


def count_words(text: str) -> Counter[str]:
    words = text.lower().▢()
    return Counter(▢)


def main() -> None:
    if len(sys.argv) != 2:
        print("usage: holes.py FILE", file=sys.stderr)
        sys.exit(2)
    text = Path(sys.argv[1]).read_text()
    for word, count in count_words(text).most_common(10):
        print(word, count)


if __name__ == "__main__":
    ▢
