"""A symbolic link where a folder is expected."""

import os
import shutil


def arrange(out):
    shutil.rmtree(f"{out}/seed-0")
    os.symlink("/etc", f"{out}/seed-0")
