"""How a supervisor comes up: in the foreground for `run`, in the background for `start`."""
