"""A file that nobody asked for."""


def arrange(handover):
    open(f"{handover}/seed-0/score.json", "w").close()
