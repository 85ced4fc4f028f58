"""The folder of a seed that nobody asked for."""

import shutil


def arrange(out):
    shutil.copytree(f"{out}/seed-0", f"{out}/seed-1")
