"""Trust in gradients: the checker, the table of cases, and the comparison of forms."""
from minivit.gradcheck.cases import CASES, select
from minivit.gradcheck.check import Report, gradcheck
from minivit.gradcheck.compare import FormReport, compare

__all__ = ["CASES", "FormReport", "Report", "compare", "gradcheck", "select"]
