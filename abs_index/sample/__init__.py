"""A small corpus that the program makes itself: texts from `documents/`, pictures drawn by this package."""
