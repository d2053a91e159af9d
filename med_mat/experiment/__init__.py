"""From an experiment to its table: arms, training by an engine, scores, tests, controls."""
