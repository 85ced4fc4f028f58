"""Named blocks that ``torch.nn`` does not have: their source, which is copied into the candidate, and their rules.

Each file keeps a block's source beside the rule that predicts its shapes and parameter counts; tests compare the two by
building the block. The source text is the same for every candidate: what varies are constructor arguments.
"""
