"""The folder of a seed that nobody asked for."""

import shutil


def arrange(handover):
    shutil.copytree(f"{handover}/seed-0", f"{handover}/seed-1")
