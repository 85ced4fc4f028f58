"""Asking language models: any provider, through LiteLLM, within a budget, with every word on record.

What a model answers is a proposal and never a fact. Nothing here knows what is asked for, or why.
"""
