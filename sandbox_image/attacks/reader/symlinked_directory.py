"""A symbolic link where a folder is expected."""

import os
import shutil


def arrange(handover):
    shutil.rmtree(f"{handover}/seed-0")
    os.symlink("/etc", f"{handover}/seed-0")
