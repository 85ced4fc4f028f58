"""Names and specifications of data sets in a text."""

import re

from fumehood.errors import UsageError
from fumehood.goal.words import blank

_SPEC = re.compile(r"(?<!\w)(?:csv|parquet|npz|jsonl|imagefolder|synthetic|builtin):\S*[^\s.,;:!?)\"']")
_DATA = (
    ("cifar100", r"cifar[- _]?100"),
    ("cifar10", r"cifar[- _]?10"),
    ("fashion_mnist", r"fashion[- _]?mnist"),
    ("kmnist", r"(?:kuzushiji|k)[- _]?mnist"),
    ("emnist", r"emnist"),
    ("qmnist", r"qmnist"),
    ("mnist", r"mnist"),
    ("stl10", r"stl[- _]?10"),
    ("svhn", r"svhn|street[- ]view house numbers"),
    ("imagenet", r"imagenet(?:-?1k)?"),
    ("breast_cancer", r"breast[- _]?cancer"),
    ("diabetes", r"diabetes"),
    ("iris", r"iris(?:es)?"),
    ("wine", r"wines?(?![- _]quality)"),
    ("digits", r"(?:hand[- ]?written[- ])?digits?(?! (?:of|after)\b)"),
)
_DATA_PATTERNS = tuple((name, re.compile(rf"(?<![\w/])(?:{p})(?!\w)", re.IGNORECASE)) for name, p in _DATA)


def named(text: str) -> str | None:
    """The data set named in the text, as a specification or a normalised name; two of them are an error."""
    specs = {m[0] for m in _SPEC.finditer(text)}
    named = specs or _names(_SPEC.sub(blank, text))
    if len(named) > 1:
        listed = ", ".join(sorted(named))
        raise UsageError(f"The goal names more than one data set: {listed}.", "Choose one with --data.")
    return next(iter(named), None)


def _names(text: str) -> set[str]:
    """Names in the text; each is blanked once found. Digits are what several image sets show, so those win over it."""
    found = set()
    for name, pattern in _DATA_PATTERNS:
        if pattern.search(text):
            found.add(name)
            text = pattern.sub(blank, text)
    return found - {"digits"} if found & {"mnist", "kmnist", "emnist", "qmnist", "svhn"} else found


def without(text: str) -> str:
    """The text without data names, whose numbers (CIFAR-10) are no targets."""
    text = _SPEC.sub(blank, text)
    for _, pattern in _DATA_PATTERNS:
        text = pattern.sub(blank, text)
    return text
