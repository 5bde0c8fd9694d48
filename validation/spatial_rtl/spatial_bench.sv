// The bench of chip.sv: its program, an off-chip memory of a fixed rate and latency, checks.
//
// Run with +prefix=PATH: files PATH.NAME.hex, see `program.py`. Ends with one line: cycles from the
// first one after reset to the last word written off-chip, and words that are wrong.
module spatial_bench #(
    parameter int OFFCHIP = 65536
) (
    input logic clk
);
    localparam int WAYS = 4, MOST_LATENCY = 64;

    logic reset;
    int cycle, last, offchip_cfg[7], tags[64];
    logic signed [31:0] memory[OFFCHIP], expected[OFFCHIP];
    string prefix;

    logic in_begins, in_last, in_tensor, back_last, back_tensor, out_begins, done;
    int in_offered, in_taken, in_from[WAYS], in_to[WAYS], back, back_to[WAYS];
    int out_offered, out_taken, out_to[WAYS];
    logic signed [31:0] back_word[WAYS], out_word[WAYS];

    chip chip (.*);

    initial begin
        if ($value$plusargs("prefix=%s", prefix) == 0) $fatal(1, "+prefix is missing");
        $readmemh({prefix, ".config.hex"}, chip.cfg);
        $readmemh({prefix, ".phases.hex"}, chip.phase_rom);
        $readmemh({prefix, ".ins.hex"}, chip.in_rom);
        $readmemh({prefix, ".in_words.hex"}, chip.in_words);
        $readmemh({prefix, ".fills.hex"}, chip.fill_rom);
        $readmemh({prefix, ".fill_words.hex"}, chip.fill_words);
        $readmemh({prefix, ".steps.hex"}, chip.step_rom);
        $readmemh({prefix, ".ifmap_tiles.hex"}, chip.ifmap_tiles);
        $readmemh({prefix, ".weight_tiles.hex"}, chip.weight_tiles);
        $readmemh({prefix, ".leaves.hex"}, chip.leave_rom);
        $readmemh({prefix, ".drain_words.hex"}, chip.drain_words);
        $readmemh({prefix, ".outs.hex"}, chip.out_rom);
        $readmemh({prefix, ".out_words.hex"}, chip.out_words);
        $readmemh({prefix, ".loops.hex"}, chip.loop_rom);
        $readmemh({prefix, ".tags.hex"}, tags);
        $readmemh({prefix, ".offchip.hex"}, offchip_cfg);
        $readmemh({prefix, ".memory.hex"}, memory);
        $readmemh({prefix, ".expected.hex"}, expected);
        for (int t = 0; t < 3; t++)
            for (int y = 0; y < 3; y++) begin
                chip.row_identity[t][y] = 4'(tags[t*15+y*5]);
                for (int x = 0; x < 4; x++) chip.column_identity[t][y][x] = 4'(tags[t*15+y*5+1+x]);
            end
        cycle = -4;
        last = -1;
        reset = 1;
    end

    // Off-chip memory: words per cycle, or cycles per word, from the begin of a transfer on.
    int in_tick_q, out_tick_q;
    function automatic int offer(input int numerator, input int denominator, input int tick);
        if (denominator == 1) return numerator;
        return tick + 1 >= denominator ? 1 : 0;
    endfunction
    assign in_offered = offer(offchip_cfg[0], offchip_cfg[1], in_begins ? 0 : in_tick_q);
    assign out_offered = offer(offchip_cfg[2], offchip_cfg[3], out_begins ? 0 : out_tick_q);

    typedef struct packed {
        int count;
        logic last, tensor;
        logic [WAYS-1:0][31:0] to;
        logic signed [WAYS-1:0][31:0] word;
    } way_t;
    way_t way_in, way, way_q[MOST_LATENCY];
    always_comb begin
        way_in.count = in_taken;
        way_in.last = in_last && !reset;
        way_in.tensor = in_tensor;
        for (int n = 0; n < WAYS; n++) begin
            way_in.to[n] = in_to[n];
            way_in.word[n] = memory[in_from[n] % OFFCHIP];
        end
        way = offchip_cfg[4] == 0 ? way_in : way_q[6'(offchip_cfg[4] - 1)];
        back = way.count;
        back_last = way.last;
        back_tensor = way.tensor;
        for (int n = 0; n < WAYS; n++) begin
            back_to[n] = int'(way.to[n]);
            back_word[n] = way.word[n];
        end
    end

    always_ff @(posedge clk) begin
        automatic int wrong = 0;
        reset <= cycle < -1;
        cycle <= cycle + 1;
        in_tick_q <= in_taken != 0 ? 0 : (in_begins ? 0 : in_tick_q) + 1;
        out_tick_q <= out_taken != 0 ? 0 : (out_begins ? 0 : out_tick_q) + 1;
        way_q[0] <= way_in;
        for (int n = 1; n < MOST_LATENCY; n++) way_q[n] <= way_q[n-1];
        if (reset) for (int n = 0; n < MOST_LATENCY; n++) way_q[n] <= '0;
        if (!reset) begin
            for (int n = 0; n < WAYS; n++)
                if (n < out_taken) begin
                    memory[out_to[n]] <= out_word[n];
                    last <= cycle;
                end
            if (done || cycle > offchip_cfg[5]) begin
                for (int n = 0; n < offchip_cfg[6]; n++)
                    if (memory[n] != expected[n]) begin
                        if (wrong < 5)
                            $display("word %0d: %0d instead of %0d", n, memory[n], expected[n]);
                        wrong++;
                    end
                $display("%s wrong=%0d cycles=%0d steps=%0d", done && wrong == 0 ? "PASS" : "FAIL",
                         wrong, last + 1 + offchip_cfg[4], chip.step_next);
                $finish;
            end
        end
    end
endmodule
