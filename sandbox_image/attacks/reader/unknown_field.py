"""A result with a field that somebody might believe."""

RESULT = '{"job":"train","version":1,"reports":[{"index":0,"score":1.0}],"wall_s":0.0}'


def arrange(out):
    with open(f"{out}/result.json", "w") as file:
        file.write(RESULT)
