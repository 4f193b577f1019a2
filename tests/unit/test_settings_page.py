"""The reference page of settings is the code's."""

from __future__ import annotations

from pathlib import Path

from mr1.config import Config
from mr1.config.walk import nested_model, settings
from mr1.settings_page import page

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_on_disk_is_what_the_code_makes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m mr1.settings_page > docs/settings.md"


def test_every_setting_is_on_the_page_and_says_what_it_means() -> None:
    text = page()
    for key, info in settings(Config):
        if nested_model(info.annotation) is None and key != "method.name":
            assert f"| `{key}` | " in text
            assert info.description, f"{key} has no words under it"
