"""``make fuzz``: hostile bytes for every reader of a room's output. Arguments: inputs for each target, and a seed.

Prints a line for every target: inputs, how many were taken and how many Rejected, and by how much the reading process
grew at most. Exits 1 if one of them raised anything but Rejected, grew by 64 MB, hung, or took what it must not.
"""

import os
import secrets
import sys
from concurrent.futures import ThreadPoolExecutor

from fuzz import campaign
from fuzz.strategies import STRATEGIES

NUMBER = 2000


def main() -> int:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else NUMBER
    draw = int(sys.argv[2]) if len(sys.argv) > 2 else secrets.randbits(32)
    print(f"seed {draw}; again: make fuzz FUZZ='{number} {draw}'", flush=True)
    print(f"{'target':14} {'inputs':>7} {'taken':>7} {'rejected':>8} {'grown by':>10}  finding", flush=True)
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        tallies = []
        for tally in pool.map(lambda target: campaign.run(target, number, draw), STRATEGIES):
            grown = f"{tally.grown_bytes / 1e6:.1f} MB"
            print(f"{tally.target:14} {tally.inputs:7} {tally.taken:7} {tally.rejected:8} {grown:>10}  {tally.finding}")
            tallies.append(tally)
    print(f"{'all':14} {sum(t.inputs for t in tallies):7}", flush=True)
    return int(any(tally.finding for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())
