"""What is seen of a face: landmarks, head, alignment, tracking, identity."""
