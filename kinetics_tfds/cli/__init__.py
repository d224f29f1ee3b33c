"""The `kinetics` command: a thin face over the functions of the package."""
