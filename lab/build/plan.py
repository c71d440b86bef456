"""From names to paths: which recipes a request takes, in which order, which of them are cached, and the building of the others."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import machine
from .cache import Slot, cache_root, content_key
from .errors import BuildFailedError, UnknownArtifactError
from .recipe import Recipe
from .run import Report, heartbeat


@dataclass(frozen=True)
class Catalogue:
    """Every recipe of the lab, and who makes which name."""

    recipes: Sequence[Recipe]

    def by_output(self) -> dict[str, Recipe]:
        """Return the recipe of each name that can be asked for."""
        return {output: recipe for recipe in self.recipes for output in recipe.outputs}

    def in_order(self, names: Iterable[str]) -> list[Recipe]:
        """Return the recipes that the names take, each after what it needs."""
        makers = self.by_output()
        ordered: list[Recipe] = []

        def visit(name: str) -> None:
            if name not in makers:
                raise UnknownArtifactError(f'Nothing builds "{name}": known are {", ".join(sorted(makers))}.')
            recipe = makers[name]
            if recipe not in ordered:
                for need in recipe.needs:
                    visit(need)
                ordered.append(recipe)

        for name in names:
            visit(name)
        return ordered


def slots(recipes: Sequence[Recipe], *, makers: Mapping[str, Recipe]) -> list[Slot]:
    """Return where each recipe's entry lies; the key of an input is part of the key of what is made of it."""
    keys: dict[tuple[str, str], str] = {}
    found = []
    for recipe in recipes:
        inputs = [keys[makers[need].kind, makers[need].name] for need in recipe.needs]
        key = content_key([recipe.kind, recipe.name, *recipe.contents(), *inputs])
        keys[recipe.kind, recipe.name] = key
        found.append(Slot(recipe.kind, recipe.name, key, cache_root()))
    return found


def ensure_all(catalogue: Catalogue, names: Sequence[str], *, report: Report) -> dict[str, Path]:
    """Return the path of each name, building what is missing."""
    recipes = catalogue.in_order(names)
    for recipe in recipes:
        if "go" in recipe.commands:  # asked before the keys, which the Go release is part of
            machine.require(["go"])
            break
    places = slots(recipes, makers=catalogue.by_output())
    missing = [recipe for recipe, slot in zip(recipes, places, strict=True) if not slot.is_filled()]
    _check_machine(missing)
    paths: dict[str, Path] = {}
    for recipe, slot in zip(recipes, places, strict=True):
        if recipe in missing:
            _build(recipe, slot, paths, position=f"{missing.index(recipe) + 1} of {len(missing)}", report=report)
        else:
            slot.fill(_never)
        paths.update({name: slot.path / inside for name, inside in recipe.outputs.items()})
    return {name: paths[name] for name in names}


def cached(catalogue: Catalogue) -> list[tuple[str, str, Path]]:
    """Return kind, name and path of everything in the cache that belongs to these sources, leaving older builds out."""
    makers = catalogue.by_output()
    recipes = catalogue.in_order(makers)
    filled = [(r, slot) for r, slot in zip(recipes, slots(recipes, makers=makers), strict=True) if slot.is_filled()]
    return [(recipe.kind, name, slot.path / inside) for recipe, slot in filled for name, inside in recipe.outputs.items()]


def _build(recipe: Recipe, slot: Slot, paths: Mapping[str, Path], *, position: str, report: Report) -> None:
    title = _title(recipe)
    report(f"building {title} ({position}), usually {_duration(recipe.usual_seconds)}…")
    started = time.monotonic()
    inputs = {need: paths[need] for need in recipe.needs}
    try:
        with heartbeat(report, title):
            slot.fill(
                lambda draft: recipe.make(draft, inputs),
                on_wait=lambda: report(f"waiting for {title}, which another process builds"),
            )
    except BuildFailedError as error:
        raise BuildFailedError(f"Cannot build {title}: {error}") from error
    if recipe.keep:
        slot.drop_older(keep=recipe.keep)
    report(f"built {title} in {time.monotonic() - started:.0f} s")


def _check_machine(missing: Sequence[Recipe]) -> None:
    """Complain before the first build starts, not after ten minutes of it."""
    commands = list(dict.fromkeys(command for recipe in missing for command in recipe.commands))
    machine.require(commands, root=any(recipe.root for recipe in missing))
    if any(recipe.is_large for recipe in missing) and not (cache_root() / "go-build").exists():
        machine.require_room(cache_root())


def _title(recipe: Recipe) -> str:
    return recipe.name if recipe.kind == "bin" else f"{recipe.kind} {recipe.name}"


def _duration(seconds: int) -> str:
    return f"{seconds} s" if seconds < 90 else f"{round(seconds / 60)} min"


def _never(_: Path) -> None:
    raise BuildFailedError("An entry of the cache vanished while it was used: run the same command again.")
