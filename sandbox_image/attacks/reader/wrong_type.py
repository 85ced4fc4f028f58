"""A result with text where a number belongs."""

RESULT = '{"job":"train","version":1,"reports":[{"index":"0"}],"wall_s":0.0}'


def arrange(out):
    with open(f"{out}/result.json", "w") as file:
        file.write(RESULT)
