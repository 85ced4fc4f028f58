"""A result that is nested as deep as its size lets it be."""


def arrange(out):
    with open(f"{out}/result.json", "w") as file:
        file.write("[" * 2_000_000 + "]" * 2_000_000)
