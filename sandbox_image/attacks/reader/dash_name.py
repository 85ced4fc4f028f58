"""A name that a careless command takes for an option."""


def arrange(out):
    open(f"{out}/-rf", "w").close()
