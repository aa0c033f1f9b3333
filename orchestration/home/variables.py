"""Environment variables that are no settings: what `opco` hands to processes that it starts, and where secrets are."""

# For dbt's profile; a value from outside has no effect.
BUILD_FILE_VARIABLE = "OPCO_BUILD_FILE"
THREADS_VARIABLE = "OPCO_THREADS"
MEMORY_LIMIT_VARIABLE = "OPCO_MEMORY_LIMIT"
# For a command itself, when it begins again in UTF-8: what the terminal writes.
ENCODING_VARIABLE = "OPCO_TERMINAL_ENCODING"
# The folder that holds secrets as files.
SECRETS_VARIABLE = "OPCO_SECRETS"
