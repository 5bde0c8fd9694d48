// A processing element: scratchpads for ifmap, weights and partial sums, and one MAC.
//
// Operand scratchpads are two register banks, `staged` and `active`. Words from the bus go to
// `staged`; with `swap` they become active, together with those words of the old tile that the new
// one has, too (`keep`, and how far they move: `distance`), so a window that slides takes its new
// words only. A word that nobody brought is padding: zero.
// Sums are two banks as well: one is added to, the other drained. A word is zero after it was
// drained. The product passes `pipeline` - 1 registers; the adder is behind them.
module pe #(
    parameter int WAYS = 4,
    parameter int DEPTH = 64,
    parameter int INDEX = $clog2(DEPTH),
    parameter int WORD_BITS = 8,
    parameter int SUM_BITS = 32,
    parameter int STAGES = 4
) (
    input  logic                        clk,
    input  logic                        reset,
    // The X bus of the row: [0] ifmap, [1] weights, [2] sums that come back.
    input  logic                        word_valid [3][WAYS],
    input  logic        [    INDEX-1:0] word_index [3][WAYS],
    input  logic                        word_bank  [3][WAYS],
    input  logic signed [ SUM_BITS-1:0] word       [3][WAYS],
    input  logic                        swap       [2],
    input  logic                        swap_bank  [2],
    input  logic        [    DEPTH-1:0] keep       [2],
    input  logic        [    INDEX-1:0] distance   [2],
    // A MAC in this cycle, and its operands.
    input  logic                        issue,
    input  logic        [    INDEX-1:0] at         [3],
    input  logic                        bank,
    input  logic        [          2:0] pipeline,
    // Sums asked for in this cycle.
    input  logic                        drain         [WAYS],
    input  logic                        drain_bank    [WAYS],
    input  logic        [    INDEX-1:0] drain_index   [WAYS],
    output logic signed [ SUM_BITS-1:0] sum           [WAYS]
);
    logic signed [WORD_BITS-1:0] active[2][DEPTH];
    logic signed [WORD_BITS-1:0] staged[2][DEPTH];
    logic                        there [2][DEPTH];
    logic signed [ SUM_BITS-1:0] sums  [2][DEPTH];

    typedef struct packed {
        logic                       valid;
        logic                       bank;
        logic        [   INDEX-1:0] index;
        logic signed [SUM_BITS-1:0] product;
    } stage_t;
    stage_t stage_q[STAGES];
    stage_t made, adds;

    always_comb begin
        made.valid   = issue;
        made.bank    = bank;
        made.index   = at[2];
        made.product = SUM_BITS'(active[0][at[0]]) * SUM_BITS'(active[1][at[1]]);
        adds = pipeline == 1 ? made : stage_q[2'(pipeline - 3'd2)];
        for (int n = 0; n < WAYS; n++) sum[n] = sums[drain_bank[n]][drain_index[n]];
    end

    always_ff @(posedge clk) begin
        stage_q[0] <= made;
        for (int n = 1; n < STAGES; n++) stage_q[n] <= stage_q[n-1];
        for (int t = 0; t < 2; t++)
            for (int k = 0; k < DEPTH; k++) begin
                automatic logic here = there[t][k];
                automatic logic signed [WORD_BITS-1:0] value = staged[t][k];
                automatic logic after = 0;
                // Words of the tile after the one that becomes active may come with its last ones.
                automatic logic signed [WORD_BITS-1:0] value_after = 0;
                for (int n = 0; n < WAYS; n++)
                    if (word_valid[t][n] && word_index[t][n] == INDEX'(k)) begin
                        if (!swap[t] || word_bank[t][n] == swap_bank[t]) begin
                            here = 1;
                            value = WORD_BITS'(word[t][n]);
                        end else begin
                            after = 1;
                            value_after = WORD_BITS'(word[t][n]);
                        end
                    end
                staged[t][k] <= swap[t] ? value_after : value;
                there[t][k]  <= swap[t] ? after : here;
                if (swap[t])
                    active[t][k] <= here ? value
                                  : keep[t][k] ? active[t][INDEX'(k) + distance[t]] : 0;
            end
        for (int n = 0; n < WAYS; n++) begin
            if (drain[n]) sums[drain_bank[n]][drain_index[n]] <= 0;
            if (word_valid[2][n]) sums[word_bank[2][n]][word_index[2][n]] <= word[2][n];
        end
        if (adds.valid) sums[adds.bank][adds.index] <= sums[adds.bank][adds.index] + adds.product;
        if (reset) begin
            for (int n = 0; n < STAGES; n++) stage_q[n].valid <= 0;
            for (int t = 0; t < 2; t++)
                for (int k = 0; k < DEPTH; k++) begin
                    there[t][k] <= 0;
                    sums[t][k]  <= 0;
                end
        end
    end
endmodule
