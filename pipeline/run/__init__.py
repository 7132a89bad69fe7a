"""What jobs run on: the Beam runner, decoder processes, copies of sources, progress and metrics."""
