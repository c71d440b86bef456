"""The pages that list things list all of them: the agent's slugs, the demo's variables, and what each page of the site links to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cloudcasa_server.api import RESOURCES
from cloudcasa_server.hook.templates import templates

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
INTERNAL = {"link-ended"}
"""Slugs that no person meets: the channel reconnects by itself."""


def words(folder: str, pattern: str) -> set[str]:
    """Return the first group of every match in the Python files below a folder."""
    texts = (path.read_text(encoding="utf-8") for path in sorted((ROOT / folder).rglob("*.py")))
    return {word for text in texts for word in re.findall(pattern, text)}


def test_every_slug_of_the_agent_is_explained():
    explained = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", (DOCS / "reference/troubleshooting.md").read_text(encoding="utf-8")))

    assert words("agent/src", r'slug(?:: str)? ?= ?"([a-z-]+)"') - INTERNAL - explained == set()


def test_every_variable_of_the_demo_is_in_its_table():
    page = (DOCS / "admin/demo.md").read_text(encoding="utf-8")
    named = {f"CLOUDCASA_DEMO_{name}" for name in words("tools", r"CLOUDCASA_DEMO_([A-Z0-9_]*[A-Z0-9])")}

    assert {name for name in named if name not in page} == set()


@pytest.mark.parametrize("page", sorted(DOCS.glob("[a-z]*/**/*.md")), ids=lambda path: path.relative_to(DOCS).as_posix())
def test_pages_link_to_what_is_there(page):
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_hook_template_is_in_the_page_of_hooks():
    page = (DOCS / "user/hooks.md").read_text(encoding="utf-8")

    assert [template["name"] for template in templates() if f"| {template['name']} | `{template['_id']}` |" not in page] == []


def test_every_resource_is_in_the_page_of_resources():
    page = (DOCS / "reference/resources.md").read_text(encoding="utf-8")

    assert [resource.name for resource in RESOURCES if f"`{resource.name}`" not in page] == []
