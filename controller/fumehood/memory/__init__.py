"""What earlier runs found out, kept in a database by Memori in manual mode: nothing is intercepted, nothing is sent.

Written and read only when research says so. No memory is needed for a run, and no fault of it ever stops one.
"""
