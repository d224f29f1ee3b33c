"""Running a Beam job to its end, on whatever runner: options, engines' peculiarities, jobs that stand still."""
