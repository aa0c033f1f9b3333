"""The OPCO export: one line per connection, for the funder's controller and the training manager."""

from reports.export.filters import ExportFilters
from reports.export.write import ExportOptions, ExportSummary, count_export, write_export

__all__ = ["ExportFilters", "ExportOptions", "ExportSummary", "count_export", "write_export"]
