"""How compressed variants of a model are made, each with the card that says what it is."""
