"""Who decides what is tried next.

A planner turns goal, data set, history and what is under way into the next ``Plan``, and is a pure function of them
and of its seed: that is what ``resume`` and ``replay`` rest on. ``search`` needs nothing but Optuna. Planners see
validation scores rounded to their noise, never a test score.
"""
