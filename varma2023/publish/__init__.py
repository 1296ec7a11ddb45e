"""How the book is made: chapters executed, pages built, tables and links written."""
