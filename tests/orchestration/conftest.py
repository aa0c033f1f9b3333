from tests.homes import clean_environment, home  # noqa: F401
