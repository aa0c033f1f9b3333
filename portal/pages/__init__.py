"""The pages: each reads what was asked, reads figures by `portal.queries`, and fills a template."""

# Makes `{session_id:key}` known to routes.
import portal.addresses  # noqa: F401
