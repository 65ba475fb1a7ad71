"""Makes the tables. A real project would run `alembic upgrade head` here."""

from database import URL_IN_USE, Base, engine

Base.metadata.create_all(engine)
print(f"the tables are ready: {URL_IN_USE.render_as_string()}")
