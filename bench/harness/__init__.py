"""What the sections share: a mesh of their own, a client, the load, a baseline, and the CPU and memory of processes."""
