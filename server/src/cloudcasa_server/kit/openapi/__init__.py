"""The description of the API, made of the declarations (docs/adr/0026), and a page to read it with."""

from .document import BEARER, Description, describe
from .page import install_page

__all__ = ["BEARER", "Description", "describe", "install_page"]
