"""What a study says, as files: JSON with everything, Markdown, a picture, a page."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mim4d.files import write_text
from mim4d.study.label_efficiency.markdown import markdown
from mim4d.study.label_efficiency.page import study_page
from mim4d.study.label_efficiency.picture import draw_study
from mim4d.study.label_efficiency.summary import Summary


def write_summary(summary: Summary, out: Path, *, pictures: bool = False) -> Summary:
    """Write OUT/study.json and study.md, at the end study.png and study.html too."""
    content: dict[str, Any] = asdict(summary)
    write_text(out / "study.json", json.dumps(content, indent=2, allow_nan=False) + "\n")
    write_text(out / "study.md", markdown(summary))
    if pictures:
        picture = draw_study(summary, out / "study.png")
        write_text(out / "study.html", study_page(summary, picture))
    return summary
