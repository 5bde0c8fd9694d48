// Rows and columns of PEs on X and Y buses.
//
// A word on its way down carries two tags. The Y bus brings it to every row whose identity is its
// row tag, the X bus of such a row to every PE whose identity is its column tag; identities are set
// before the run, per tensor. Sums on their way up pass down the rows of a column, each PE of `rows`
// adding its own.
module pe_array #(
    parameter int ROWS = 3,
    parameter int COLS = 4,
    parameter int WAYS = 4,
    parameter int DEPTH = 64,
    parameter int INDEX = $clog2(DEPTH),
    parameter int WORD_BITS = 8,
    parameter int SUM_BITS = 32
) (
    input  logic                       clk,
    input  logic                       reset,
    input  logic        [         3:0] row_identity   [3][ROWS],
    input  logic        [         3:0] column_identity[3][ROWS][COLS],
    input  logic                       word_valid     [3][WAYS],
    input  logic        [         3:0] word_row       [3][WAYS],
    input  logic        [         3:0] word_column    [3][WAYS],
    input  logic        [   INDEX-1:0] word_index     [3][WAYS],
    input  logic                       word_bank      [3][WAYS],
    input  logic signed [SUM_BITS-1:0] word           [3][WAYS],
    input  logic                       swap           [2],
    input  logic                       swap_bank      [2],
    input  logic        [   DEPTH-1:0] keep           [2],
    input  logic        [   INDEX-1:0] distance       [2],
    input  logic                       issue,
    input  logic        [   INDEX-1:0] at             [3],
    input  logic                       bank,
    input  logic        [         2:0] pipeline,
    input  logic                       drain_valid       [WAYS],
    input  logic        [         1:0] drain_column      [WAYS],
    input  logic        [    ROWS-1:0] drain_rows        [WAYS],
    input  logic        [   INDEX-1:0] drain_index       [WAYS],
    input  logic                       drain_bank        [WAYS],
    output logic signed [SUM_BITS-1:0] total             [WAYS]
);
    logic signed [SUM_BITS-1:0] sum[ROWS][COLS][WAYS];

    for (genvar y = 0; y < ROWS; y++) begin : row
        logic y_valid[3][WAYS];
        always_comb
            for (int t = 0; t < 3; t++)
                for (int n = 0; n < WAYS; n++)
                    y_valid[t][n] = word_valid[t][n] && word_row[t][n] == row_identity[t][y];
        for (genvar x = 0; x < COLS; x++) begin : column
            logic mine[3][WAYS], drains[WAYS];
            always_comb begin
                for (int t = 0; t < 3; t++)
                    for (int n = 0; n < WAYS; n++)
                        mine[t][n] = y_valid[t][n]
                                   && word_column[t][n] == column_identity[t][y][x];
                for (int n = 0; n < WAYS; n++)
                    drains[n] = drain_valid[n] && drain_column[n] == 2'(x) && drain_rows[n][y];
            end
            pe #(
                .WAYS(WAYS), .DEPTH(DEPTH), .WORD_BITS(WORD_BITS), .SUM_BITS(SUM_BITS)
            ) pe (
                .word_valid(mine), .drain(drains), .sum(sum[y][x]), .*
            );
        end
    end

    // The vertical chain, once per word that the bus carries in a cycle.
    always_comb
        for (int n = 0; n < WAYS; n++) begin
            total[n] = 0;
            for (int y = 0; y < ROWS; y++)
                if (drain_rows[n][y]) total[n] = total[n] + sum[y][drain_column[n]][n];
        end
endmodule
