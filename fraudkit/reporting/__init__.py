"""How a report is shown: sections as text and in a notebook, and one page with plots."""
