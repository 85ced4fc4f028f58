"""Names that lead out of the folder for whoever takes the other slash for a separator, or strips blanks."""


def arrange(out):
    open(f"{out}/..\\..\\etc\\passwd", "w").close()
    open(f"{out}/.. ", "w").close()
