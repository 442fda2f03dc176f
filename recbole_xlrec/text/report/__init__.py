"""What an encoder does to the texts of each language, measured before anything is trained."""
