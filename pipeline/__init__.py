"""How a corpus is made: one module per step, pure functions, with the Beam wiring on top."""
