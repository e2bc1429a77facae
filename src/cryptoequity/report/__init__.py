"""The dossier: a verdict as files that travel without the library."""

from .dossier import write_report
from .folder import check_folder

__all__ = ["check_folder", "write_report"]
