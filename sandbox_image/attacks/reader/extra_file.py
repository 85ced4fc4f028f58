"""A file that nobody asked for."""


def arrange(out):
    open(f"{out}/seed-0/score.json", "w").close()
