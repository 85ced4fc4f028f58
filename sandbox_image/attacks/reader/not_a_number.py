"""A result with numbers that are none."""

RESULT = '{"job":"train","version":1,"reports":[{"index":0,"train_loss":[NaN,Infinity]}],"wall_s":0.0}'


def arrange(out):
    with open(f"{out}/result.json", "w") as file:
        file.write(RESULT)
