"""Has the runs of a study done at once, on many machines, with Ray."""
