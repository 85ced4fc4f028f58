"""A result with a number that becomes infinite when it is read."""

RESULT = '{"job":"train","version":1,"reports":[{"index":0,"train_s":1e999}],"wall_s":0.0}'


def arrange(out):
    with open(f"{out}/result.json", "w") as file:
        file.write(RESULT)
