"""Programs that break out, exhaust the host, hurt the reader of their output or forge their score; all must fail.

Each attack is a program in ``sandbox_image/attacks``, run in a real room under a policy, and judged here from outside
wherever the inside could lie. Each has a control: the same program succeeds where only the wall under test is taken
away, or, where there is no wall to take away, an honest twin of it is accepted.
"""
