"""What payers see: pages of HTML, filled from the templates beside them, everything that is put in escaped."""

from shared.pages.frame import Html, headers
from shared.pages.method import Standing, method_page
from shared.pages.notice import notice_page
from shared.pages.pay import pay_page

__all__ = ["Html", "Standing", "headers", "method_page", "notice_page", "pay_page"]
