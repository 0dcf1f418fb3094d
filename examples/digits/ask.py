"""Draws a digit that the network has not seen, sends it to the endpoint, and prints the request as a curl command.

`python ask.py REST_URL [NUMBER]`; NUMBER chooses one of the images.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from typing import Any

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SHADES = " .:-=+*#%@"


def unseen_digit(number: int) -> tuple[Any, int]:
    """An 8 x 8 image (values 0 to 16) that training set aside, and what it shows."""
    images, labels = load_digits(return_X_y=True)
    _, test, _, test_labels = train_test_split(images, labels, test_size=0.2, random_state=1)
    return test[number].reshape(8, 8), int(test_labels[number])


def drawn(image: Any) -> str:
    """The image as text, two characters for each pixel."""
    return "\n".join("".join(SHADES[int(value * 9 / 16)] * 2 for value in row) for row in image)


def ask(url: str, body: str) -> Any:
    """The endpoint's answer to a predict request."""
    with urllib.request.urlopen(url, data=body.encode(), timeout=30) as answer:
        return json.load(answer)


def _short(value: float) -> float | int:
    """Whole numbers without `.0`, for a shorter line."""
    return int(value) if value == int(value) else float(value)


def main(rest: str, number: int = 11) -> None:
    """Draw, ask, compare."""
    image, truth = unseen_digit(number)
    url = f"{rest}/v1/models/digits:predict"
    body = json.dumps({"instances": [[[[_short(value / 16)] for value in row] for row in image]]})
    probabilities = ask(url, body)["predictions"][0]
    best = max(range(10), key=probabilities.__getitem__)
    print(drawn(image))
    print(f"\nThe endpoint says {best}, with probability {probabilities[best]:.3f}. It is a {truth}.")
    print(f"\nThe same request with curl:\n\ncurl -d '{body.replace(' ', '')}' {url}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
