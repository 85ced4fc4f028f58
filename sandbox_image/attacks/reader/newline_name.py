"""A name that makes two lines of one in a log."""


def arrange(out):
    open(f"{out}/ok\nresult.json accepted", "w").close()
