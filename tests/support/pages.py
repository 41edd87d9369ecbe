"""Code blocks of the documentation."""

import re

from support.places import ROOT

SMALL = "operator.width=16 operator.heads=1 operator.blocks=2 operator.cell_width=8 trainer.max_steps=2 data.batch=2"


def blocks(page: str, language: str) -> list[str]:
    """Code blocks of a page."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)
