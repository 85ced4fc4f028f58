"""A name that clears the screen and colours what comes after it."""


def arrange(handover):
    open(f"{handover}/\x1b[2J\x1b[31mALL GOOD\x07\u202e", "w").close()
