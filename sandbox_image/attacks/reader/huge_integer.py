"""A result with a number of a million digits, which takes minutes to read."""

BEFORE, AFTER = '{"job":"train","version":1,"reports":[{"index":0,"epochs":', '}],"wall_s":0.0}'


def arrange(out):
    with open(f"{out}/result.json", "w") as file:
        file.write(BEFORE + "9" * 1_000_000 + AFTER)
