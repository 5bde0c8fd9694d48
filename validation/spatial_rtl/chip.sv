// A row-stationary accelerator: DMA, global buffer, X/Y buses, PEs, and what makes them move.
//
// Five engines run side by side, each in the order of its own program and each held up by flags of
// the others only: what has arrived, what has been read, what is finished, what has drained. The
// program says what to move where, in which order, and which count of an event has to come first;
// it knows no cycle. Counts are visible in the cycle after the edge that completes them.
//
//   in     words of a tile, off-chip -> global buffer, when its place was read for the last time
//   fill   words of a scratchpad's tile, global buffer -> bus of the tensor -> PEs, one tensor after
//          the other at the read port; each bus has a queue in front of it
//   step   MACs of all PEs in lock step, when all tiles are in and sums have room
//   drain  sums, PEs -> down the columns -> reduction bus -> write port of the global buffer
//   out    words of a result tile, global buffer -> off-chip, when all its sums are there
//
// A phase opens when the tiles that it begins with have come, and older results have left.
module chip #(
    parameter int ROWS = 3,
    parameter int COLS = 4,
    parameter int WAYS = 4,          // words per cycle that the widest port or bus moves
    parameter int DEPTH = 64,
    parameter int GLB_WORDS = 8192,
    parameter int QUEUE = 4096,
    parameter int LATENCY = 8,       // most cycles of a bus
    parameter int LOOPS = 24,        // temporal loops
    parameter int PROGRAM = 65536,
    parameter int WORD_BITS = 8,
    parameter int SUM_BITS = 32
) (
    input  logic                       clk,
    input  logic                       reset,
    // Off-chip reads: words that memory offers in this cycle, words asked for, words that come.
    output logic                       in_begins,
    input  int                         in_offered,
    output int                         in_taken,
    output int                         in_from  [WAYS],
    output int                         in_to    [WAYS],
    output logic                       in_last,
    output logic                       in_tensor,
    input  int                         back,
    input  int                         back_to  [WAYS],
    input  logic signed [SUM_BITS-1:0] back_word[WAYS],
    input  logic                       back_last,
    input  logic                       back_tensor,
    // Off-chip writes.
    output logic                       out_begins,
    input  int                         out_offered,
    output int                         out_taken,
    output int                         out_to   [WAYS],
    output logic signed [SUM_BITS-1:0] out_word [WAYS],
    output logic                       done
);
    localparam int INDEX = $clog2(DEPTH);

    // The program, and the configuration: written before the run.
    typedef struct packed {
        logic [31:0] numerator, denominator;
    } rate_t;
    typedef struct packed {
        logic [31:0] phases, ins, fills, steps, tiles_ifmap, tiles_weight, outs, epochs;
        logic [31:0] macs, sums, pipeline, bus_latency;
        rate_t glb_fill, glb_drain, glb_in, glb_out, bus;
    } config_t;
    typedef struct packed { logic [31:0] ifmap, weight, results; } phase_t;
    typedef struct packed { logic [31:0] tensor, phases, fills, words; } in_t;
    typedef struct packed { logic [31:0] from, to; } move_t;
    typedef struct packed { logic [31:0] tensor, tile, phase, drained, words; } fill_t;
    typedef struct packed { logic [31:0] from; logic [15:0] row, column; logic [31:0] index; } send_t;
    typedef struct packed {
        logic [31:0] phase, ifmap, weight, epoch, sums_back;
        logic [31:0] ends;
    } step_t;
    typedef struct packed { logic [31:0] arrived; logic [31:0] distance; logic [63:0] keep; } tile_t;
    typedef struct packed { logic [15:0] column, rows; logic [31:0] index; } leave_t;
    typedef struct packed { logic [31:0] phases, drained, words; } out_t;
    typedef struct packed { logic [31:0] turns, ifmap, weight, sum; } loop_t;

    config_t cfg[1];
    phase_t  phase_rom[4096];
    in_t     in_rom[4096];
    move_t   in_words[PROGRAM];
    fill_t   fill_rom[PROGRAM];
    send_t   fill_words[PROGRAM];
    step_t   step_rom[PROGRAM];
    tile_t   ifmap_tiles[PROGRAM], weight_tiles[PROGRAM];
    leave_t  leave_rom[1024];
    logic [31:0] drain_words[PROGRAM];
    out_t    out_rom[4096];
    move_t   out_words[PROGRAM];
    loop_t   loop_rom[LOOPS];
    logic [3:0] row_identity[3][ROWS], column_identity[3][ROWS][COLS];

    function automatic int few(input int a, input int b);
        return a < b ? a : b;
    endfunction
    // Words that a port of this rate may move, `tick` cycles after the last ones.
    function automatic int grant(input rate_t rate, input int tick);
        if (rate.denominator == 1) return int'(rate.numerator);
        return tick + 1 >= int'(rate.denominator) ? 1 : 0;
    endfunction

    logic signed [SUM_BITS-1:0] glb[GLB_WORDS];

    // Events so far.
    int in_done[2], out_done, fills_done[3], arrived[3], finished[2], activated[2];
    int completed, drain_next_q, drained, phases_q;  // epochs: computed, left the PEs, in the buffer

    // A phase opens in the cycle in which its last flag is up, several at once if need be.
    int phases;
    always_comb begin
        phases = phases_q;
        for (int n = 0; n < WAYS; n++)
            if (phases < int'(cfg[0].phases)
                && in_done[0] >= int'(phase_rom[phases].ifmap)
                && in_done[1] >= int'(phase_rom[phases].weight)
                && out_done >= int'(phase_rom[phases].results)) phases++;
    end

    // in: DMA from off-chip memory.
    int in_next, in_left_q, in_left, in_tick_q, in_tick, in_word;
    logic in_on;
    in_t in_now;
    always_comb begin
        in_now = in_rom[in_next];
        in_begins = in_left_q == 0 && in_next < int'(cfg[0].ins)
                  && phases >= int'(in_now.phases)
                  && fills_done[in_now.tensor[1:0]] >= int'(in_now.fills);
        in_on = in_left_q != 0 || in_begins;
    end
    always_comb begin
        in_left = in_begins ? int'(in_now.words) : in_left_q;
        in_tick = in_begins ? 0 : in_tick_q;
        in_taken = in_on ? few(few(in_offered, grant(cfg[0].glb_in, in_tick)), in_left) : 0;
        in_last = in_on && in_taken == in_left;
        in_tensor = in_now.tensor[0];
        for (int n = 0; n < WAYS; n++) begin
            in_from[n] = int'(in_words[in_word+n].from);
            in_to[n] = int'(in_words[in_word+n].to);
        end
    end

    // fill: the read port, a queue and a bus per tensor. A transfer begins as soon as the port has
    // a word's time left, and is read ahead of its bus.
    typedef struct packed {
        logic [15:0] row, column;
        logic [31:0] index;
        logic bank, last;
        logic signed [SUM_BITS-1:0] word;
    } sent_t;
    sent_t queue[3][QUEUE];
    int fill_next_q, fill_next, port_left_q, port_left, port_tick_q, port_tick, fill_word, reads;
    int queue_head[3], queue_count[3], bus_left_q[3], bus_left[3], bus_tick_q[3], bus_tick[3];
    int passes[3], pushes[3], ends_sent[3];
    fill_t fill_now;
    sent_t read_now[3][WAYS], bus_now[3][WAYS];
    logic room, may_begin;
    always_comb begin
        fill_next = fill_next_q;
        port_left = port_left_q;
        port_tick = port_tick_q;
        reads = 0;
        fill_now = fill_rom[fill_next];
        room = 0;
        may_begin = 0;
        for (int t = 0; t < 3; t++) begin
            pushes[t] = 0;
            bus_left[t] = bus_left_q[t];
            bus_tick[t] = bus_tick_q[t];
            for (int n = 0; n < WAYS; n++) read_now[t][n] = '0;
        end
        for (int n = 0; n < WAYS; n++)
            if (reads == n) begin
                automatic send_t send = fill_words[fill_word+n];
                automatic logic [1:0] t;
                fill_now = fill_rom[fill_next];
                t = fill_now.tensor[1:0];
                room = t == 2 ? drain_next_q + 1 >= int'(fill_now.tile)
                                && drained >= int'(fill_now.drained)
                              : finished[t[0]] + 1 >= int'(fill_now.tile);
                may_begin = n == 0 || n < grant(cfg[0].glb_fill, port_tick);
                if (port_left == 0 && fill_next < int'(cfg[0].fills)
                    && phases > int'(fill_now.phase) && room && may_begin) begin
                    port_left = int'(fill_now.words);
                    if (n == 0) port_tick = 0;
                    if (bus_left[t] == 0) bus_tick[t] = 0;
                    bus_left[t] += int'(fill_now.words);
                end
                if (port_left != 0 && n < grant(cfg[0].glb_fill, port_tick)) begin
                    read_now[t][pushes[t]].row = send.row;
                    read_now[t][pushes[t]].column = send.column;
                    read_now[t][pushes[t]].index = send.index;
                    read_now[t][pushes[t]].bank = fill_now.tile[0];
                    read_now[t][pushes[t]].last = port_left == 1;
                    read_now[t][pushes[t]].word = glb[int'(send.from)];
                    pushes[t]++;
                    port_left--;
                    reads++;
                    if (port_left == 0) fill_next++;
                end
            end
        for (int t = 0; t < 3; t++) begin
            passes[t] = few(grant(cfg[0].bus, bus_tick[t]), queue_count[t] + pushes[t]);
            ends_sent[t] = 0;
            for (int n = 0; n < WAYS; n++) begin
                bus_now[t][n] = n < queue_count[t] ? queue[t][(queue_head[t]+n) % QUEUE]
                                                   : read_now[t][n-queue_count[t]];
                if (n < passes[t]) ends_sent[t] += int'(bus_now[t][n].last);
            end
        end
    end

    // The buses take `bus_latency` cycles.
    typedef struct packed {
        int passes, ends;
        sent_t [WAYS-1:0] words;
    } lane_t;
    lane_t lane_q[3][LATENCY], lane_in[3], lane[3];
    int arrived_now[3];
    always_comb
        for (int t = 0; t < 3; t++) begin
            lane_in[t].passes = passes[t];
            lane_in[t].ends = ends_sent[t];
            for (int n = 0; n < WAYS; n++) lane_in[t].words[n] = bus_now[t][n];
            lane[t] = cfg[0].bus_latency == 0 ? lane_in[t] : lane_q[t][cfg[0].bus_latency-1];
            arrived_now[t] = arrived[t] + lane[t].ends;
        end

    // step: loops of MACs, and the swap of operand tiles.
    int step_next, macs_left_q, macs_left, turn[LOOPS];
    logic step_begins, issue, last_mac, ends_now, ends_q[4], swap[2], swap_bank[2];
    step_t step_now;
    logic [INDEX-1:0] at[3], distance[2];
    logic [DEPTH-1:0] keep[2];
    int finished_now[2], sum_at[3];
    always_comb begin
        step_now = step_rom[step_next];
        step_begins = macs_left_q == 0 && step_next < int'(cfg[0].steps)
                    && phases > int'(step_now.phase)
                    && activated[0] > int'(step_now.ifmap) && activated[1] > int'(step_now.weight)
                    && arrived[2] >= int'(step_now.sums_back)
                    && drain_next_q + 1 >= int'(step_now.epoch);
        issue = step_begins || macs_left_q != 0;
        macs_left = step_begins ? int'(cfg[0].macs) : macs_left_q;
        last_mac = issue && macs_left == 1;
        sum_at = '{default: 0};
        for (int j = 0; j < LOOPS; j++) begin
            sum_at[0] += turn[j] * int'(loop_rom[j].ifmap);
            sum_at[1] += turn[j] * int'(loop_rom[j].weight);
            sum_at[2] += turn[j] * int'(loop_rom[j].sum);
        end
        for (int t = 0; t < 3; t++) at[t] = INDEX'(sum_at[t]);
        ends_now = cfg[0].pipeline == 1 ? last_mac && step_now.ends[2]
                                        : ends_q[2'(cfg[0].pipeline-2)];
        for (int t = 0; t < 2; t++) begin
            automatic tile_t next = t == 0 ? ifmap_tiles[activated[t]] : weight_tiles[activated[t]];
            finished_now[t] = finished[t] + int'(last_mac && step_now.ends[t]);
            swap[t] = activated[t] < int'(t == 0 ? cfg[0].tiles_ifmap : cfg[0].tiles_weight)
                    && finished_now[t] == activated[t] && arrived_now[t] >= int'(next.arrived);
            swap_bank[t] = activated[t][0];
            keep[t] = DEPTH'(next.keep);
            distance[t] = INDEX'(next.distance);
        end
    end

    // drain: the reduction bus and the write port; epochs follow each other like transfers above.
    typedef struct packed {
        int passes, ends;
        logic [WAYS-1:0][31:0] to;
        logic signed [WAYS-1:0][SUM_BITS-1:0] word;
    } up_t;
    int drain_next, sums_left_q, sums_left, drain_tick_q, drain_tick, drain_word;
    int rises, ends_up;
    logic drain_valid[WAYS], drain_bank[WAYS];
    logic [1:0] drain_column[WAYS];
    logic [ROWS-1:0] drain_rows[WAYS];
    logic [INDEX-1:0] drain_index[WAYS];
    logic signed [SUM_BITS-1:0] total[WAYS];
    up_t up_in, up, up_q[LATENCY];
    always_comb begin
        drain_next = drain_next_q;
        sums_left = sums_left_q;
        drain_tick = drain_tick_q;
        rises = 0;
        ends_up = 0;
        for (int n = 0; n < WAYS; n++) begin
            automatic leave_t leave;
            drain_valid[n] = 0;
            if (rises == n && sums_left == 0 && drain_next < completed
                && (n == 0 || n < few(grant(cfg[0].bus, drain_tick),
                                      grant(cfg[0].glb_drain, drain_tick)))) begin
                sums_left = int'(cfg[0].sums);
                if (n == 0) drain_tick = 0;
            end
            leave = leave_rom[int'(cfg[0].sums) - sums_left];
            drain_bank[n] = drain_next[0];
            drain_column[n] = 2'(leave.column);
            drain_rows[n] = ROWS'(leave.rows);
            drain_index[n] = INDEX'(leave.index);
            if (rises == n && sums_left != 0 && n < grant(cfg[0].bus, drain_tick)
                && n < grant(cfg[0].glb_drain, drain_tick)) begin
                drain_valid[n] = 1;
                sums_left--;
                rises++;
                if (sums_left == 0) begin
                    drain_next++;
                    ends_up++;
                end
            end
        end
    end
    always_comb begin
        up_in.passes = rises;
        up_in.ends = ends_up;
        for (int n = 0; n < WAYS; n++) begin
            up_in.to[n] = drain_words[drain_word+n];
            up_in.word[n] = total[n];
        end
        up = cfg[0].bus_latency == 0 ? up_in : up_q[cfg[0].bus_latency-1];
    end

    // out: DMA to off-chip memory.
    int out_next, out_left_q, out_left, out_tick_q, out_tick, out_at;
    logic out_on;
    out_t out_now;
    always_comb begin
        out_now = out_rom[out_next];
        out_begins = out_left_q == 0 && out_next < int'(cfg[0].outs)
                   && phases >= int'(out_now.phases) && drained >= int'(out_now.drained);
        out_on = out_left_q != 0 || out_begins;
        done = out_done == int'(cfg[0].outs);
    end
    always_comb begin
        out_left = out_begins ? int'(out_now.words) : out_left_q;
        out_tick = out_begins ? 0 : out_tick_q;
        out_taken = out_on ? few(few(out_offered, grant(cfg[0].glb_out, out_tick)), out_left) : 0;
        for (int n = 0; n < WAYS; n++) begin
            out_to[n] = int'(out_words[out_at+n].to);
            out_word[n] = glb[int'(out_words[out_at+n].from)];
        end
    end

    // The PEs.
    logic word_valid[3][WAYS], word_bank[3][WAYS];
    logic [3:0] word_row[3][WAYS], word_column[3][WAYS];
    logic [INDEX-1:0] word_index[3][WAYS];
    logic signed [SUM_BITS-1:0] word[3][WAYS];
    always_comb
        for (int n = 0; n < WAYS; n++) begin
            for (int t = 0; t < 3; t++) begin
                word_valid[t][n] = n < lane[t].passes;
                word_row[t][n] = 4'(lane[t].words[n].row);
                word_column[t][n] = 4'(lane[t].words[n].column);
                word_index[t][n] = INDEX'(lane[t].words[n].index);
                word_bank[t][n] = lane[t].words[n].bank;
                word[t][n] = lane[t].words[n].word;
            end
        end
    pe_array #(
        .ROWS(ROWS), .COLS(COLS), .WAYS(WAYS), .DEPTH(DEPTH),
        .WORD_BITS(WORD_BITS), .SUM_BITS(SUM_BITS)
    ) pes (
        .bank(step_now.epoch[0]), .pipeline(3'(cfg[0].pipeline)), .*
    );

    always_ff @(posedge clk) begin
        phases_q <= phases;
        // in
        in_left_q <= in_on ? in_left - in_taken : 0;
        in_tick_q <= in_taken != 0 ? 0 : in_tick + 1;
        in_word <= in_word + in_taken;
        if (in_last) in_next <= in_next + 1;
        for (int n = 0; n < WAYS; n++) if (n < back) glb[back_to[n]] <= back_word[n];
        if (back_last) in_done[back_tensor] <= in_done[back_tensor] + 1;
        // fill
        port_left_q <= port_left;
        port_tick_q <= reads != 0 ? 0 : port_tick + 1;
        fill_word <= fill_word + reads;
        fill_next_q <= fill_next;
        for (int t = 0; t < 3; t++) begin
            for (int n = 0; n < WAYS; n++)
                if (n < pushes[t])
                    queue[t][(queue_head[t]+queue_count[t]+n) % QUEUE] <= read_now[t][n];
            queue_head[t] <= (queue_head[t] + passes[t]) % QUEUE;
            queue_count[t] <= queue_count[t] + pushes[t] - passes[t];
            bus_left_q[t] <= bus_left[t] - passes[t];
            bus_tick_q[t] <= passes[t] != 0 ? 0 : bus_tick[t] + 1;
            fills_done[t] <= fills_done[t] + ends_sent[t];
            arrived[t] <= arrived_now[t];
            lane_q[t][0] <= lane_in[t];
            for (int n = 1; n < LATENCY; n++) lane_q[t][n] <= lane_q[t][n-1];
        end
        // step
        macs_left_q <= issue ? macs_left - 1 : 0;
        if (last_mac) step_next <= step_next + 1;
        if (issue) begin
            automatic logic carry = 1;
            for (int j = LOOPS - 1; j >= 0; j--)
                if (carry) begin
                    carry = turn[j] + 1 == int'(loop_rom[j].turns);
                    turn[j] <= carry ? 0 : turn[j] + 1;
                end
        end
        ends_q[0] <= last_mac && step_now.ends[2];
        for (int n = 1; n < 4; n++) ends_q[n] <= ends_q[n-1];
        completed <= completed + int'(ends_now);
        for (int t = 0; t < 2; t++) begin
            finished[t] <= finished_now[t];
            activated[t] <= activated[t] + int'(swap[t]);
        end
        // drain
        sums_left_q <= sums_left;
        drain_tick_q <= rises != 0 ? 0 : drain_tick + 1;
        drain_next_q <= drain_next;
        drain_word <= drain_word + rises;
        up_q[0] <= up_in;
        for (int n = 1; n < LATENCY; n++) up_q[n] <= up_q[n-1];
        for (int n = 0; n < WAYS; n++) if (n < up.passes) glb[int'(up.to[n])] <= up.word[n];
        drained <= drained + up.ends;
        // out
        out_left_q <= out_on ? out_left - out_taken : 0;
        out_tick_q <= out_taken != 0 ? 0 : out_tick + 1;
        out_at <= out_at + out_taken;
        if (out_on && out_taken == out_left) begin
            out_next <= out_next + 1;
            out_done <= out_done + 1;
        end
        if (reset) begin
            phases_q <= 0;
            in_next <= 0; in_left_q <= 0; in_word <= 0;
            fill_next_q <= 0; port_left_q <= 0; port_tick_q <= 0; fill_word <= 0;
            step_next <= 0; macs_left_q <= 0; completed <= 0;
            drain_next_q <= 0; sums_left_q <= 0; drain_tick_q <= 0; drain_word <= 0; drained <= 0;
            out_next <= 0; out_left_q <= 0; out_at <= 0; out_done <= 0;
            for (int j = 0; j < LOOPS; j++) turn[j] <= 0;
            for (int n = 0; n < 4; n++) ends_q[n] <= 0;
            for (int t = 0; t < 3; t++) begin
                queue_head[t] <= 0; queue_count[t] <= 0; bus_left_q[t] <= 0;
                fills_done[t] <= 0; arrived[t] <= 0;
                for (int n = 0; n < LATENCY; n++) lane_q[t][n] <= '0;
            end
            for (int t = 0; t < 2; t++) begin
                in_done[t] <= 0; finished[t] <= 0; activated[t] <= 0;
            end
            for (int n = 0; n < LATENCY; n++) up_q[n] <= '0;
        end
    end
endmodule
