"""What the HTML report of a search shows: plain values and Reports, filled by whoever has them.

    page = ReportPage(title="...", summary="...", rows=(DesignRow.of("baseline", report),), ...)
    json.dump({"page": page.to_dict(), ...}, file)          # result.json; `report DIR` rebuilds it
    write_html(page, directory / "report.html")             # arraysmith.traces.html

Every part except title and summary may be left out; the page then has no such section.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from arraysmith.arch.errors import ArraysmithError
from arraysmith.sim.report import Report
from arraysmith.traces.waiting import Waiting


@dataclass(frozen=True, slots=True)
class DesignRow:
    """One row of the before/after table; None where a source states no such number.

    Attributes:
        label: what the row is, for example ``poster, optimum (printed)``.
        cycles: of the whole workload.
        utilization: 0 to 1.
        gflops: 10^9 operations per second.
        energy_pj: of the whole workload.
        edp_j_cycles: energy in joules x cycles.
        note: where the numbers come from; shown below the label; may be empty.
    """

    label: str
    cycles: int | None = None
    utilization: float | None = None
    gflops: float | None = None
    energy_pj: float | None = None
    edp_j_cycles: float | None = None
    note: str = ""

    @classmethod
    def of(cls, label: str, report: Report, note: str = "") -> DesignRow:
        """Return the row of a Report."""
        return cls(
            label,
            report.cycles,
            report.utilization,
            report.gflops,
            report.energy_pj,
            report.edp_j_cycles,
            note,
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """Three Reports that tell what the mapping gained and what the hardware gained.

    Attributes:
        baseline: the original hardware as it was mapped originally.
        remapped: the original hardware with the best mapping found for it.
        best: the best hardware with its best mapping.
    """

    baseline: Report
    remapped: Report
    best: Report


@dataclass(frozen=True, slots=True)
class Convergence:
    """Loss per generation; the three have equal lengths.

    Attributes:
        best: lowest loss found up to and with each generation.
        population_best: lowest loss within each generation.
        population_median: median loss of each generation.
        loss: what the loss is, for the axis, for example ``loss relative to the baseline``.
        seeds: ``best`` of the same search from other seeds; they may differ in length.
    """

    best: tuple[float, ...]
    population_best: tuple[float, ...]
    population_median: tuple[float, ...]
    loss: str = "loss"
    seeds: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """One design that no other beats in every objective.

    Attributes:
        label: of the design, for example ``#3``.
        values: one per objective of the front.
        note: its hardware in a few words; may be empty.
    """

    label: str
    values: tuple[float, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Front:
    """Designs none of which is worse than another in everything.

    Attributes:
        objectives: two or three, each with its unit: ``energy, pJ``; less is better.
        points: sorted by the first objective.
        chosen: label of the one that is best by simulation; empty if that one is not among them.
    """

    objectives: tuple[str, ...]
    points: tuple[FrontPoint, ...]
    chosen: str = ""


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What the winner would lose or gain if one number of its hardware were another.

    Attributes:
        path: of the number, for example ``glb.depth``.
        chosen: the winner's value, one of ``values``.
        values: the one before the winner's in the space, the winner's, the one after it; shorter at
            the ends.
        losses: of the winner with each of them, its mappings chosen anew; None where no mapping is
            legal.
        loss: of the winner, not 0.
    """

    path: str
    chosen: str
    values: tuple[str, ...]
    losses: tuple[float | None, ...]
    loss: float


@dataclass(frozen=True, slots=True)
class Foretold:
    """A design that was simulated during a search, and what was expected of it before.

    Attributes:
        when: after which generation.
        why: it was chosen.
        closed: cycles by the closed forms.
        corrected: cycles as corrected by all that was simulated before it.
        simulated: cycles.
    """

    when: str
    why: str
    closed: int
    corrected: int
    simulated: int


@dataclass(frozen=True, slots=True)
class Design:
    """A Report under the name that the figures show (``original``, ``best``)."""

    label: str
    report: Report


@dataclass(frozen=True, slots=True)
class PeUse:
    """How busy each PE is; ``traces.describe.pe_use`` computes it from a mapping.

    Attributes:
        label: of the design.
        busy: [mesh_y][mesh_x] MACs of the PE / cycles of the run; 0 to 1.
    """

    label: str
    busy: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """One design as both models see it.

    Attributes:
        label: of the design, for example ``#1``.
        analytical: the closed forms.
        cycle: the simulation.
        note: its hardware in a few words, for example ``4 x 42, glb 512 x 512``; may be empty.
    """

    label: str
    analytical: Report
    cycle: Report
    note: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """A named block of text kept as it is, for example a mapping as a loop nest."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A plain table: names of the columns after the first, and rows of a label and its cells."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer of a network.

    Attributes:
        name: of the layer.
        repeat: how many times it runs in one inference.
        best: Report of one run on the best design.
        baseline: Report of one run on the original design; None when there is none.
        cycle: Report of one simulated run on the best design; None when it was not simulated.
    """

    name: str
    repeat: int
    best: Report
    baseline: Report | None = None
    cycle: Report | None = None


@dataclass(frozen=True, slots=True)
class ReportPage:
    """Everything the page shows, in the order in which it is shown.

    Attributes:
        title: of the page.
        summary: one or two sentences: what was asked and what came out.
        rows: before/after table.
        comparison: splits the gain into mapping and hardware.
        hardware: poster-style table, a row per component; ``traces.describe.hardware_table``.
        convergence: of the search.
        front: of a search with several objectives.
        sensitivity: of the winner to each number of its hardware.
        foretold: designs simulated during the search, in order.
        designs: Reports whose energy is broken down side by side, the original first.
        pe_use: PE heat maps, the original first.
        top: best designs, analytical and simulated.
        mappings: loop nests, as ``sim.loop_nest.loop_nest`` prints them.
        layers: of a network; empty for a single layer.
        waiting: of the best design, layer by layer in the order in which they run.
        files: (what it is, path relative to the page) of other results, for example the traces.
        provenance: tool version, configuration, seed ...; shown folded.
    """

    title: str
    summary: str
    rows: tuple[DesignRow, ...] = ()
    comparison: Comparison | None = None
    hardware: Table | None = None
    convergence: Convergence | None = None
    front: Front | None = None
    sensitivity: tuple[Sensitivity, ...] = ()
    foretold: tuple[Foretold, ...] = ()
    designs: tuple[Design, ...] = ()
    pe_use: tuple[PeUse, ...] = ()
    top: tuple[Pair, ...] = ()
    mappings: tuple[Text, ...] = ()
    layers: tuple[LayerRow, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; ``from_dict`` makes an equal page of it."""
        gain = self.comparison
        return {
            "title": self.title,
            "summary": self.summary,
            "rows": [asdict(row) for row in self.rows],
            "comparison": gain
            and {
                "baseline": gain.baseline.to_dict(),
                "remapped": gain.remapped.to_dict(),
                "best": gain.best.to_dict(),
            },
            "hardware": self.hardware and asdict(self.hardware),
            "convergence": self.convergence and asdict(self.convergence),
            "front": self.front and asdict(self.front),
            "sensitivity": [asdict(x) for x in self.sensitivity],
            "foretold": [asdict(x) for x in self.foretold],
            "designs": [{"label": x.label, "report": x.report.to_dict()} for x in self.designs],
            "pe_use": [asdict(x) for x in self.pe_use],
            "top": [
                {
                    "label": x.label,
                    "analytical": x.analytical.to_dict(),
                    "cycle": x.cycle.to_dict(),
                    "note": x.note,
                }
                for x in self.top
            ],
            "mappings": [asdict(x) for x in self.mappings],
            "layers": [
                {
                    "name": x.name,
                    "repeat": x.repeat,
                    "best": x.best.to_dict(),
                    "baseline": x.baseline and x.baseline.to_dict(),
                    "cycle": x.cycle and x.cycle.to_dict(),
                }
                for x in self.layers
            ],
            "waiting": [x.to_dict() for x in self.waiting],
            "files": [list(pair) for pair in self.files],
            "provenance": self.provenance,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> ReportPage:
        """Return the page that ``to_dict`` made ``plain`` of.

        Raises:
            ArraysmithError: ``plain`` does not hold such a page.
        """
        try:
            return _page(plain)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ArraysmithError(f"not the data of a report page: {error!r}") from error


def _page(plain: dict[str, Any]) -> ReportPage:
    report = Report.from_dict
    gain, hardware, convergence = plain["comparison"], plain["hardware"], plain["convergence"]
    return ReportPage(
        title=str(plain["title"]),
        summary=str(plain["summary"]),
        rows=tuple(DesignRow(**x) for x in plain["rows"]),
        comparison=gain
        and Comparison(report(gain["baseline"]), report(gain["remapped"]), report(gain["best"])),
        hardware=hardware
        and Table(tuple(hardware["columns"]), tuple(tuple(row) for row in hardware["rows"])),
        convergence=convergence
        and Convergence(
            tuple(convergence["best"]),
            tuple(convergence["population_best"]),
            tuple(convergence["population_median"]),
            convergence["loss"],
            tuple(tuple(x) for x in convergence.get("seeds", ())),
        ),
        front=plain.get("front") and _front(plain["front"]),
        sensitivity=tuple(
            Sensitivity(x["path"], x["chosen"], tuple(x["values"]), tuple(x["losses"]), x["loss"])
            for x in plain.get("sensitivity", ())
        ),
        foretold=tuple(Foretold(**x) for x in plain.get("foretold", ())),
        designs=tuple(Design(x["label"], report(x["report"])) for x in plain["designs"]),
        pe_use=tuple(
            PeUse(x["label"], tuple(tuple(row) for row in x["busy"])) for x in plain["pe_use"]
        ),
        top=tuple(
            Pair(x["label"], report(x["analytical"]), report(x["cycle"]), x["note"])
            for x in plain["top"]
        ),
        mappings=tuple(Text(**x) for x in plain["mappings"]),
        layers=tuple(
            LayerRow(
                x["name"],
                x["repeat"],
                report(x["best"]),
                x["baseline"] and report(x["baseline"]),
                x.get("cycle") and report(x["cycle"]),
            )
            for x in plain["layers"]
        ),
        waiting=tuple(Waiting.from_dict(x) for x in plain.get("waiting", ())),
        files=tuple((what, path) for what, path in plain["files"]),
        provenance=dict(plain["provenance"]),
    )


def _front(plain: dict[str, Any]) -> Front:
    return Front(
        tuple(plain["objectives"]),
        tuple(FrontPoint(x["label"], tuple(x["values"]), x["note"]) for x in plain["points"]),
        plain.get("chosen", ""),
    )
