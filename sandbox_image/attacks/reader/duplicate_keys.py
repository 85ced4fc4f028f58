"""A result that says two things under one name, of which readers take either."""

RESULT = '{"job":"train","version":1,"reports":[{"index":0}],"wall_s":1.0,"wall_s":0.0}'


def arrange(out):
    with open(f"{out}/result.json", "w") as file:
        file.write(RESULT)
