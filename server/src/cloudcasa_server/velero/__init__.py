"""What is known of Veleros that users run themselves. The collections are declared; nothing fills them yet."""
