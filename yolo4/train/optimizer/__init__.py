"""The optimizer of each phase: learning rate, weight decay, average of the weights."""
