"""What ``simulate`` does with SCALE-Sim's files, and under the setting named after it."""

from __future__ import annotations

from collections.abc import Callable

import click

from arraysmith.arch.architecture import Architecture
from arraysmith.arch.errors import InputError
from arraysmith.arch.importers.scalesim_config import ScaleSimConfig, is_config, read_config
from arraysmith.arch.loader import load_architecture
from arraysmith.arch.networks import load_network
from arraysmith.arch.problem import Network
from arraysmith.sim.cli import Mappings, print_json
from arraysmith.sim.layers import distinct_layers
from arraysmith.sim.provenance import provenance
from arraysmith.sim.tables import result_text

SETTINGS = ("default", "scalesim-3.0.0")
"""Rule sets of the simulator."""


def scalesim_files(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that belong to SCALE-Sim's files."""
    parts = (
        click.option(
            "--layout", "layout_path", metavar="FILE.csv", help="Layout file of a SCALE-Sim .cfg."
        ),
        click.option(
            "--gemm/--conv",
            default=None,
            help="Rows of a topology CSV: M, N, K or convolutions; else its heading tells.",
        ),
        click.option(
            "--scalesim-out",
            "out",
            metavar="DIR",
            help="Write SCALE-Sim's reports and traces into this new folder.",
        ),
    )
    for part in reversed(parts):  # decorators apply from the innermost
        command = part(command)
    return command


class ScaleSimInputs:
    """The inputs of ``simulate`` when some of them may be files of SCALE-Sim."""

    def __init__(
        self,
        architecture_ref: str,
        workload_ref: str,
        setting: str,
        *,
        layout_path: str | None,
        gemm: bool | None,
        out: str | None,
    ) -> None:
        """Take the arguments of the command.

        Raises:
            click.UsageError: options that have no effect.
            InputError: a .cfg with faults.
        """
        self._architecture_ref, self._workload_ref = architecture_ref, workload_ref
        self._setting, self._layout_path, self._gemm, self._out = setting, layout_path, gemm, out
        self._strict = setting != "default"  # by the tool's rules
        self.config: ScaleSimConfig | None = None
        if is_config(architecture_ref):
            self.config = read_config(architecture_ref)
        elif layout_path is not None:
            raise click.UsageError("--layout belongs to a SCALE-Sim .cfg")
        if out is not None and setting == "default":
            raise click.UsageError(
                "--scalesim-out writes what SCALE-Sim says: add --setting scalesim-3.0.0 "
                "(--traces writes what the default setting does)"
            )

    def architecture(self) -> Architecture:
        """Return the architecture, that of a .cfg with our own defaults.

        Raises:
            InputError: a reference that is wrong, or a .cfg that asks for what is not modelled.
        """
        if self.config is None:
            return load_architecture(self._architecture_ref)
        self._check(self.config)
        return self.config.architecture()

    def network(self) -> Network:
        """Return the workload; raises InputError for a reference or a file that is wrong."""
        if self.config is None and self._gemm is None:
            return load_network(self._workload_ref)
        from arraysmith.traces.scalesim_run import tool_network

        return tool_network(self.config, self._workload_ref, self._gemm, self._setting)

    def dataflow(self, mapping_path: str | None, dataflow_ref: str | None) -> str | None:
        """Return the dataflow asked for, else that of the .cfg unless a mapping is given."""
        if self.config is None or mapping_path is not None or dataflow_ref is not None:
            return dataflow_ref
        return self.config.dataflow

    def simulate(
        self,
        mapping_path: str | None,
        dataflow_ref: str | None,
        samples: int,
        traces_path: str | None,
        check_values: bool,
        *,
        as_json: bool,
    ) -> None:
        """Run the setting ``scalesim-3.0.0`` and print what it says.

        Raises:
            click.UsageError: options of the default setting.
            InputError: bad input of any kind.
            ArraysmithError: a layer that the tool cannot run.
        """
        # Not at the top: the kernels bring numba, which --help does not need.
        from tqdm import tqdm

        from arraysmith.sim.cycle.scalesim.model import SETTING, ScaleSimModel
        from arraysmith.traces.scalesim_run import (
            run_tool,
            tool_document,
            tool_layout,
            tool_table,
        )

        if traces_path is not None or check_values:
            raise click.UsageError(
                f"--traces and --values belong to the default setting; {SETTING} writes its traces "
                "with --scalesim-out DIR"
            )
        if self.config is not None and (mapping_path is not None or dataflow_ref is not None):
            raise click.UsageError("the .cfg says the dataflow; leave out --dataflow and --mapping")
        architecture, network = self.architecture(), self.network()
        layout = tool_layout(self.config, self._layout_path) if self.config is not None else None
        dataflow_ref = self.dataflow(mapping_path, dataflow_ref)
        mappings = Mappings(architecture, mapping_path, dataflow_ref, "default", samples)
        several = len(distinct_layers(network))
        with tqdm(total=several, unit="layer", disable=None if several > 1 else True) as bar:
            layers = run_tool(
                architecture,
                network,
                mappings.of,
                ScaleSimModel(self.config, layout),
                self._out,
                bar.update,
            )
        if as_json:
            source = provenance(
                architecture,
                model="cycle",
                setting=SETTING,
                workload=self._workload_ref,
                mapping=mappings.source,
            )
            print_json(tool_document(architecture.name, self._workload_ref, layers, source))
            return
        click.echo(result_text([x.report for x in layers]))
        click.echo(f"\n{tool_table(layers)}")
        if self._out is not None:
            click.echo(f"\nreports and traces: {self._out}")

    def _check(self, config: ScaleSimConfig) -> None:
        """Refuse what would have to be left out without a word."""
        faults = []
        if config.sparsity is not None and config.sparsity.optimized_mapping:
            rule = "zeros drawn at random per filter are not modelled"
            hint = "set it to false for the ratios of the topology file"
            faults.append(config.fault("sparsity.OptimizedMapping", "true", rule, hint))
        elif config.sparsity is not None and config.filter_offset == 0 and self._strict:
            rule = "must not be 0 with sparsity: the tool takes a weight at address 0 for a zero"
            hint = "give the weights another offset"
            faults.append(config.fault("architecture_presets.FilterOffset", "0", rule, hint))
        if config.ramulator:
            rule = "latencies measured by another program are not read"
            faults.append(
                config.fault("run_presets.UseRamulatorTrace", "True", rule, "set it to False")
            )
        for operand, banks in (("Ifmap", config.ifmap_banks), ("Filter", config.filter_banks)):
            if banks.custom_layout and not self._strict:
                rule = "the tool's layouts have no meaning on a physical SRAM"
                hint = "set it to False, or add --setting scalesim-3.0.0"
                faults.append(config.fault(f"layout.{operand}CustomLayout", "True", rule, hint))
        if faults:
            raise InputError(faults)
