"""A name that is no text."""


def arrange(out):
    open(out.encode() + b"/\xff\xfe\x80", "w").close()
