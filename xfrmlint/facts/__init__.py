"""Everything that is known, as rows; schema.sql is the place to read about them."""
