"""What commands print: tables, progress, a caret below a mistake."""
