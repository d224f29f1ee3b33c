"""The embedded sample: small made-up clips whose motion is their class, and their annotation files."""
