"""Leaves what an honest room leaves: the twin that every hostile folder is compared with."""


def arrange(handover):
    pass
