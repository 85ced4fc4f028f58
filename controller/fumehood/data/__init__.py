"""Data sets as the controller handles them: what the user named, in which secret order, and under which seal.

``specs`` reads a data specification by the schemes of ``tables`` and ``images``, ``catalog`` and ``published`` say
which sets have names, ``fetch`` brings public sets and ``store`` checks them, ``files`` looks at paths and sizes,
``folder`` packs images, ``order`` shuffles arrays by a secret key, and ``seal`` keeps the labels and counts how often a
test set was opened. Nobody here parses a data file: that happens in the prepare room.
"""
