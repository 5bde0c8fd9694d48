from arraysmith.sim.report import Traffic
from arraysmith.traces.plots.traffic import words_by_class


def test_words_stand_once_by_network_tensor_and_kind() -> None:
    drawn = words_by_class(
        (
            Traffic("array", "ifmap", "multicast", 240, 300),
            Traffic("array", "ifmap", "forward", 336, 336),
            Traffic("array", "ofmap", "reduction", 64, 64),
        )
    )
    bars = {bar.name: dict(zip(bar.y, bar.x, strict=True)) for bar in drawn.data}
    assert bars == {
        "multicast": {"array ifmap": 240, "array ofmap": 0},
        "forward": {"array ifmap": 336, "array ofmap": 0},
        "reduction": {"array ifmap": 0, "array ofmap": 64},
    }
