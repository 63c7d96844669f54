"""Pictures, photos, clips and their sound; contact sheets and charts."""
