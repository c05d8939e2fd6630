"""Recipes: what is valid, and what an error says."""

from pathlib import Path

import pytest

from abs_index.errors import RecipeError, UsageError
from abs_index.recipe import CorpusSettings, Recipe, format_recipe, load_recipe, parse_recipe, recipe_names


def test_all_shipped_recipes_load() -> None:
    assert "default" in recipe_names()
    for name in recipe_names():
        assert load_recipe(name).name == name


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no recipe 'defualt'; there are: .*default"):
        load_recipe("defualt")


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[corpus]\nmax_image_pixels = 5\n', encoding="utf-8")
    assert load_recipe(path).corpus == CorpusSettings(max_image_pixels=5)
    assert load_recipe(str(path)) == load_recipe(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name = ", "x.toml: not valid TOML"),
        ("", "x.toml: key 'name': Field required"),
        ('name = "a"\n[image]\nsize = "big"', "x.toml: key 'image.size': .*integer"),
        ('name = "a"\n[image]\nsize = 7', "x.toml: key 'image.size': .*32"),
        ('name = "a"\n[image]\nwidth = 7', "x.toml: key 'image.width' is unknown; known here: .*size"),
        ('name = "a"\n[images]\n', "x.toml: key 'images' is unknown; known here: .*image, kernel, name"),
        ('name = "a"\n[image]\nfit = "crop"', "x.toml: key 'image.fit': .*'pad' or 'squash'"),
        ('name = "a"\n[training]\nconfidence_weights = [1.0]', "x.toml: key 'training.confidence_weights"),
        ('name = "a"\n[paper.image]\nsize = 310', "x.toml: key 'paper.image.size': .*multiple of 20"),
        ('name = "a"\n[paper.text]\nwords = 3', "x.toml: key 'paper.text.words' is unknown; known here: .*vocabulary"),
        ('name = "a"\n[paper.classifier]\nlog_every = 3', "key 'paper.classifier': checkpoint_every must be a mult"),
        ('name = "a"\n[paper]\n[pair]\nqueries = 2', r"x.toml: section \[pair\] has no meaning beside \[paper\]"),
    ],
)
def test_what_does_not_validate_is_said_with_file_and_key(content: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        parse_recipe(content, "x.toml")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.toml: cannot be read: No such file"):
        load_recipe(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(RecipeError, match=r"latin\.toml: not UTF-8"):
        load_recipe(tmp_path / "latin.toml")


def test_a_written_recipe_is_the_same_recipe() -> None:
    shipped = [load_recipe(name) for name in recipe_names()]
    for recipe in (*shipped, Recipe(name='od"d\nname', description="é")):
        assert parse_recipe(format_recipe(recipe), "copy") == recipe


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_recipe("default").name = "other"  # type: ignore[misc]
