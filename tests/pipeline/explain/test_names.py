from longtake.pipeline.explain.names import near_names


def test_the_most_like_come_first_and_each_once() -> None:
    names = ["xyz", "Mammals", "mammal", "PolarMammals", "mammals-2", "mamals", "mamals", "animals", "mammoths"]
    assert near_names("mammals", iter(names), 4) == ["Mammals", "mammal", "mammals-2", "PolarMammals"]
    assert near_names("mammals", iter(names * 100), 6)[4:] == ["mamals", "animals"]


def test_what_is_not_like_is_not_named() -> None:
    assert near_names("dQw4w9WgXcQ", [f"{n:011d}" for n in range(1000)]) == []
