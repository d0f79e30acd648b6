"""What the templates of the shows can say."""
