"""The description of the endpoints' API (OpenAPI 3.1), made from the tables that the program itself goes by."""
