"""More files than anybody wants to look at."""


def arrange(out):
    for number in range(500):
        open(f"{out}/seed-0/{number}", "w").close()
