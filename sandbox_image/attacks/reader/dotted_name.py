"""Names that lead out of the folder for whoever takes the other slash for a separator, or strips blanks."""


def arrange(handover):
    open(f"{handover}/..\\..\\etc\\passwd", "w").close()
    open(f"{handover}/.. ", "w").close()
