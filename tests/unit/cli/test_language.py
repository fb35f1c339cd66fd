from __future__ import annotations

import pytest

from polysee.cli.language import choose_language, current_language, t


@pytest.fixture(autouse=True)
def restore():
    yield
    choose_language([], {"LANG": "C"})


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (["search", "--lang", "zh", "cat"], {"LANG": "en_GB.UTF-8"}, "zh"),
        (["search", "--lang=en", "cat"], {"LANG": "zh_CN.UTF-8"}, "en"),
        (["search", "cat"], {"LANG": "zh_CN.UTF-8"}, "zh"),
        (["search", "cat"], {"LANG": "zh_TW.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        (["search", "cat"], {"LANG": "en_US.UTF-8", "POLYSEE_LANG": "zh"}, "zh"),
        (["search", "cat"], {"LANG": "C.UTF-8"}, "en"),
        (["search", "cat"], {"LANG": "de_DE.UTF-8"}, "en"),
        (["search", "--", "--lang", "zh"], {"LANG": "C"}, "en"),
        (["search", "--lang", "klingon"], {"LANG": "zh_CN"}, "zh"),
        (["search", "--lang"], {"LANG": "C"}, "en"),
    ],
)
def test_the_language_is_the_one_asked_for_or_the_systems(arguments, environment, expected):
    assert choose_language(arguments, environment) == expected
    assert current_language() == expected
    assert t("yes", "是") == ("是" if expected == "zh" else "yes")
