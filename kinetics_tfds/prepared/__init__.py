"""What a build left on disk: opened without a builder, verified, counted, exported."""
