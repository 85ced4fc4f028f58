"""Changes nothing: the honest candidate, under the limits that the bombs and floods meet."""
