"""More files than anybody wants to look at."""


def arrange(handover):
    for number in range(500):
        open(f"{handover}/seed-0/{number}", "w").close()
