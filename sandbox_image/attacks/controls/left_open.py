"""Leaves a file open for the probes, as a supervisor that closed nothing would."""

import os

os.open("/etc/hostname", os.O_RDONLY)
