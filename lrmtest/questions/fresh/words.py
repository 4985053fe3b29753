"""Words that several families use."""

# fmt: off
PEOPLE = (
    "Ada", "Boris", "Carmen", "Dmitri", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Keiko",
    "Leila", "Mateo", "Nadia", "Oskar", "Priya", "Quentin", "Rosa", "Samir", "Tove", "Ulrike",
    "Viktor", "Wanda", "Xenia", "Yusuf", "Zora",
)
# fmt: on
