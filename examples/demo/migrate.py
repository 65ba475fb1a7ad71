"""Makes the database ready, and ends."""

from orders import DATABASE, create_tables

create_tables()
print(f"the order book is ready: {DATABASE}")
