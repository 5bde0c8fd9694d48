// Output-stationary systolic array: sums stay where they grow, both operands pass by.
//
// A word enters row i at the left or column j at the top and moves on by one PE per cycle. A PE
// multiplies what is at its two inputs in the same cycle, if both are valid. With its word of the
// first step of a fold a row brings `first` (the sum starts again), with the last one `last` (the
// sum is complete); both flags travel with the word.
//
// How the sums leave (one port per column):
//   DRAIN 2, free   in the cycle of the last product, combinational: an AND-OR bus per column;
//   DRAIN 1, bus    one cycle later, from the register of the sum, over the same kind of bus;
//   DRAIN 0, shift  down the column from row to row to the row chosen by `tap`. A pulse of `drain`
//                   says that this is the first cycle in which the column shifts: row `tap` is at
//                   the port in this cycle, row tap-1 in the next.
// SHADOW (shift only): the registers that shift are not those that sum, so that the next fold may
// begin before the last one has left. Row i then has i results to pass on and after that must not
// shift any more, as its own next result may be in place already: `more` counts this down, one
// row per cycle.
module os_array #(
    parameter int ROWS = 4,
    parameter int COLS = 4,
    parameter int LEFT_BITS = 8,
    parameter int TOP_BITS = 8,
    parameter int SUM_BITS = 32,
    parameter int DRAIN = 0,
    parameter bit SHADOW = 0
) (
    input  logic                        clk,
    input  logic                        reset,         // synchronous: nothing is valid any more
    input  logic                        enable,        // 0 freezes the array
    input  logic                        left_valid[ROWS],
    input  logic                        left_first[ROWS],
    input  logic                        left_last [ROWS],
    input  logic signed [LEFT_BITS-1:0] left      [ROWS],
    input  logic                        top_valid [COLS],
    input  logic signed [ TOP_BITS-1:0] top       [COLS],
    input  logic                        drain     [COLS],
    input  logic        [          7:0] tap       [COLS],
    output logic                        result_valid[COLS],
    output logic signed [ SUM_BITS-1:0] result    [COLS]
);
    // Registers of the PEs.
    logic                        a_valid_q[ROWS][COLS], a_first_q[ROWS][COLS], a_last_q[ROWS][COLS];
    logic signed [LEFT_BITS-1:0] a_q      [ROWS][COLS];
    logic                        b_valid_q[ROWS][COLS];
    logic signed [ TOP_BITS-1:0] b_q      [ROWS][COLS];
    logic signed [ SUM_BITS-1:0] sum_q    [ROWS][COLS];
    logic signed [ SUM_BITS-1:0] shadow_q [ROWS][COLS];  // with SHADOW only
    logic                        full_q   [ROWS][COLS];  // a complete sum waits to leave
    logic                        more_q   [ROWS][COLS];  // shift again

    // What a PE sees in this cycle, and makes of it.
    logic                        a_valid[ROWS][COLS], a_first[ROWS][COLS], a_last[ROWS][COLS];
    logic signed [LEFT_BITS-1:0] a      [ROWS][COLS];
    logic                        b_valid[ROWS][COLS];
    logic signed [ TOP_BITS-1:0] b      [ROWS][COLS];
    logic signed [ SUM_BITS-1:0] total  [ROWS][COLS];
    logic                        works  [ROWS][COLS], ends[ROWS][COLS], shifts[ROWS][COLS];

    always_comb
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < COLS; j++) begin
                a_valid[i][j] = j == 0 ? left_valid[i] : a_valid_q[i][j-1];
                a_first[i][j] = j == 0 ? left_first[i] : a_first_q[i][j-1];
                a_last[i][j]  = j == 0 ? left_last[i] : a_last_q[i][j-1];
                a[i][j]       = j == 0 ? left[i] : a_q[i][j-1];
                b_valid[i][j] = i == 0 ? top_valid[j] : b_valid_q[i-1][j];
                b[i][j]       = i == 0 ? top[j] : b_q[i-1][j];
                works[i][j]   = a_valid[i][j] && b_valid[i][j];
                ends[i][j]    = works[i][j] && a_last[i][j];
                total[i][j]   = (a_first[i][j] ? 0 : sum_q[i][j])
                              + SUM_BITS'(a[i][j]) * SUM_BITS'(b[i][j]);
                shifts[i][j]  = DRAIN == 0 && (drain[j] || more_q[i][j]);
            end

    always_ff @(posedge clk)
        if (enable || reset)
            for (int i = 0; i < ROWS; i++)
                for (int j = 0; j < COLS; j++) begin
                    a_valid_q[i][j] <= a_valid[i][j] && !reset;
                    a_first_q[i][j] <= a_first[i][j];
                    a_last_q[i][j]  <= a_last[i][j];
                    a_q[i][j]       <= a[i][j];
                    b_valid_q[i][j] <= b_valid[i][j] && !reset;
                    b_q[i][j]       <= b[i][j];
                    more_q[i][j]    <= i > 0 && shifts[i-1][j] && !reset;
                    if (works[i][j]) sum_q[i][j] <= total[i][j];
                    else if (shifts[i][j] && !SHADOW) sum_q[i][j] <= i > 0 ? sum_q[i-1][j] : 0;
                    if (ends[i][j]) shadow_q[i][j] <= total[i][j];
                    else if (shifts[i][j]) shadow_q[i][j] <= i > 0 ? shadow_q[i-1][j] : 0;
                    if (reset) full_q[i][j] <= 0;
                    else if (ends[i][j]) full_q[i][j] <= 1;
                    else if (shifts[i][j]) full_q[i][j] <= i > 0 && shifts[i-1][j] && full_q[i-1][j];
                    else if (DRAIN != 0) full_q[i][j] <= 0;
                end

    always_comb
        for (int j = 0; j < COLS; j++) begin
            result_valid[j] = 0;
            result[j] = 0;
            for (int i = 0; i < ROWS; i++)
                if (DRAIN == 2 ? ends[i][j]
                  : DRAIN == 1 ? full_q[i][j]
                  : full_q[i][j] && shifts[i][j] && 8'(i) == tap[j]) begin
                    result_valid[j] = 1;
                    result[j] = result[j] | (DRAIN == 2 ? total[i][j]
                                           : SHADOW ? shadow_q[i][j] : sum_q[i][j]);
                end
        end
endmodule
