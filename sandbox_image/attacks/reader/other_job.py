"""The result of another job."""

RESULT = '{"job":"predict","version":1,"reports":[{"index":0},{"index":1}],"wall_s":0.0}'


def arrange(out):
    with open(f"{out}/result.json", "w") as file:
        file.write(RESULT)
