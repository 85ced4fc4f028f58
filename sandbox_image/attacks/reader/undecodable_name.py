"""A name that is no text."""


def arrange(handover):
    open(handover.encode() + b"/\xff\xfe\x80", "w").close()
