"""Everything that can stand or move in a street: shapes, walls, colours, and their placing."""
