"""A name that a careless command takes for an option."""


def arrange(handover):
    open(f"{handover}/-rf", "w").close()
