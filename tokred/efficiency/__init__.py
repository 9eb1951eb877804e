"""What a reduced model costs: multiply-accumulates, time, memory, and the conditions of the measurement."""
