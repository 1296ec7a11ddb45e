"""The reproduction of the paper on top of the library, a room for each of its subjects."""
