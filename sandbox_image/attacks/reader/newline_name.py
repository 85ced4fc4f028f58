"""A name that makes two lines of one in a log."""


def arrange(handover):
    open(f"{handover}/ok\nresult.json accepted", "w").close()
