"""PostgreSQL: the only folder with SQL. One module a noun, one function a statement."""
