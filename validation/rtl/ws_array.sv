// Weight-stationary systolic array: one operand is loaded and stays, the other passes by, sums
// move down. With the roles of the operands swapped it is the input-stationary array.
//
// The streaming word of row i enters at the left and moves right by one PE per cycle; with the
// first step of a fold it brings `first`. Sums move down by one PE per cycle. In the cycle in which
// the PE in row `tap` adds the last product, the old sum that `old_sum` brings is added, too, and
// the total is at the port of the column: combinational.
//
// How the stationary words get in (one port per column, the word of the last row first):
//   DOUBLE 0  while `load` is 1 all rows of the column shift down; nothing may stream meanwhile.
//   DOUBLE 1  every PE has a second register, `next`, that is filled while the first one is in use;
//             a PE takes its new word over with the step that brings `first`. `load` moves down by
//             one row per cycle, as the takeover does, so that a word is never loaded over one that
//             is still waiting. For this the words need a register `pass` between the rows.
module ws_array #(
    parameter int ROWS = 4,
    parameter int COLS = 4,
    parameter int LEFT_BITS = 8,
    parameter int TOP_BITS = 8,
    parameter int SUM_BITS = 32,
    parameter bit DOUBLE = 0
) (
    input  logic                        clk,
    input  logic                        reset,         // synchronous: nothing is valid any more
    input  logic                        enable,        // 0 freezes the array
    input  logic                        left_valid[ROWS],
    input  logic                        left_first[ROWS],
    input  logic signed [LEFT_BITS-1:0] left      [ROWS],
    input  logic                        load      [COLS],
    input  logic                        top_valid [COLS],  // 0: this column is not used
    input  logic signed [ TOP_BITS-1:0] top       [COLS],
    input  logic        [          7:0] tap       [COLS],
    input  logic signed [ SUM_BITS-1:0] old_sum   [COLS],
    output logic                        result_valid[COLS],
    output logic signed [ SUM_BITS-1:0] result    [COLS]
);
    // Registers of the PEs.
    logic                        a_valid_q[ROWS][COLS], a_first_q[ROWS][COLS];
    logic signed [LEFT_BITS-1:0] a_q      [ROWS][COLS];
    logic                        w_valid_q[ROWS][COLS];
    logic signed [ TOP_BITS-1:0] w_q      [ROWS][COLS];
    logic                        sum_valid_q[ROWS][COLS];
    logic signed [ SUM_BITS-1:0] sum_q    [ROWS][COLS];
    // With DOUBLE only.
    logic                        load_q[ROWS][COLS], next_valid_q[ROWS][COLS], pass_valid_q[ROWS][COLS];
    logic signed [ TOP_BITS-1:0] next_q[ROWS][COLS], pass_q[ROWS][COLS];

    // What a PE sees in this cycle, and makes of it.
    logic                        a_valid[ROWS][COLS], a_first[ROWS][COLS];
    logic signed [LEFT_BITS-1:0] a      [ROWS][COLS];
    logic                        loads  [ROWS][COLS], takes[ROWS][COLS];
    logic                        w_valid[ROWS][COLS], above_valid[ROWS][COLS];
    logic signed [ TOP_BITS-1:0] w      [ROWS][COLS], above[ROWS][COLS];
    logic                        sum_valid[ROWS][COLS];
    logic signed [ SUM_BITS-1:0] sum    [ROWS][COLS];

    always_comb
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < COLS; j++) begin
                a_valid[i][j] = j == 0 ? left_valid[i] : a_valid_q[i][j-1];
                a_first[i][j] = j == 0 ? left_first[i] : a_first_q[i][j-1];
                a[i][j]       = j == 0 ? left[i] : a_q[i][j-1];
                if (DOUBLE) begin
                    loads[i][j]       = i == 0 ? load[j] : load_q[i-1][j];
                    above_valid[i][j] = i == 0 ? top_valid[j] : pass_valid_q[i-1][j];
                    above[i][j]       = i == 0 ? top[j] : pass_q[i-1][j];
                end else begin
                    loads[i][j]       = load[j];
                    above_valid[i][j] = i == 0 ? top_valid[j] : w_valid_q[i-1][j];
                    above[i][j]       = i == 0 ? top[j] : w_q[i-1][j];
                end
                takes[i][j]     = DOUBLE && a_valid[i][j] && a_first[i][j];
                w_valid[i][j]   = takes[i][j] ? next_valid_q[i][j] : w_valid_q[i][j];
                w[i][j]         = takes[i][j] ? next_q[i][j] : w_q[i][j];
                sum_valid[i][j] = i == 0 ? a_valid[i][j] && w_valid[i][j] : sum_valid_q[i-1][j];
                sum[i][j]       = (i == 0 ? 0 : sum_q[i-1][j])
                                + (a_valid[i][j] ? SUM_BITS'(a[i][j]) * SUM_BITS'(w[i][j]) : 0);
            end

    always_ff @(posedge clk)
        if (enable || reset)
            for (int i = 0; i < ROWS; i++)
                for (int j = 0; j < COLS; j++) begin
                    // Without second registers a load ends what still moves on to the right, into
                    // columns that the fold before did not use.
                    a_valid_q[i][j]   <= a_valid[i][j] && (DOUBLE || !loads[i][j]) && !reset;
                    a_first_q[i][j]   <= a_first[i][j];
                    a_q[i][j]         <= a[i][j];
                    // What has left by the port goes no further.
                    sum_valid_q[i][j] <= sum_valid[i][j] && 8'(i) != tap[j] && !reset;
                    sum_q[i][j]       <= sum[i][j];
                    load_q[i][j]      <= loads[i][j] && !reset;
                    if (loads[i][j]) begin
                        next_valid_q[i][j] <= above_valid[i][j];
                        next_q[i][j]       <= above[i][j];
                        pass_valid_q[i][j] <= next_valid_q[i][j];
                        pass_q[i][j]       <= next_q[i][j];
                    end
                    if (DOUBLE ? takes[i][j] : loads[i][j]) begin
                        w_valid_q[i][j] <= DOUBLE ? next_valid_q[i][j] : above_valid[i][j];
                        w_q[i][j]       <= DOUBLE ? next_q[i][j] : above[i][j];
                    end
                end

    always_comb
        for (int j = 0; j < COLS; j++) begin
            result_valid[j] = 0;
            result[j] = 0;
            for (int i = 0; i < ROWS; i++)
                if (8'(i) == tap[j]) begin
                    result_valid[j] = sum_valid[i][j];
                    result[j] = sum[i][j] + old_sum[j];
                end
        end
endmodule
