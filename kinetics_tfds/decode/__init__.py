"""From a media file to JPEG frames and audio, inside worker processes with limits."""
