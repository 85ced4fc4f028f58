"""What plain scikit-learn reaches on a run's own splits: the measure of whether a network was worth the search.

Always holds: a baseline is fitted on the training rows alone (with folds on each fold's, once a fold), in a process of
its own that is given no label of another split; it has a bounded time and memory; whatever becomes of it, the run goes
on. ``models`` says which there are, ``child`` is the process, ``fitting`` starts and ends it. Scores are made where all
scores are, in ``evidence``.
"""
