from mim4d.errors import did_you_mean


def test_the_nearest_is_named_in_one_wording_or_none_is() -> None:
    assert did_you_mean("toi", ["demo", "toy"]) == " (did you mean 'toy'?)"
    assert did_you_mean("zebra", ["demo", "toy"]) == ""
    assert did_you_mean("demo", []) == ""
