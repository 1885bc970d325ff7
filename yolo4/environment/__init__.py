"""What a command finds when it starts: output streams, Keras's settings, a disk and memory."""
