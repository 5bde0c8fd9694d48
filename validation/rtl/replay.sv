// Drives an array with the commands of a trace and checks what comes out; see README.md.
//
// +prefix=PATH  in front of left.hex, top.hex, expected.hex (one word per line) and commands.hex
// +array=N      0 output stationary, shift      1 the same with shadow registers
//               2 output stationary, bus        3 output stationary, free
//               4 weight stationary             5 the same with double weight registers
// +words=N      words of expected.hex
//
// Ends with a line "PASS ..." or "FAIL ..." that says cycles=N, clock cycles (lines of commands);
// advanced=N, those in which the array was enabled; last_result=N, the last clock cycle in which
// the array showed a result, -1 if none; written=N, words written.
module replay #(
    parameter int ROWS = 4,
    parameter int COLS = 4,
    parameter int LEFT_BITS = 8,
    parameter int TOP_BITS = 8,
    parameter int SUM_BITS = 32,
    parameter int WORDS = 65536
) (
    input logic clk
);
    // One line of commands.hex. The leftmost digit is the highest bit, lane 0 comes first.
    typedef enum logic [1:0] {IDLE, ZERO, READ, KEPT} take_t;
    typedef struct packed {
        logic        last;    // this word is of the last step of a fold
        logic        first;   // ... of the first step
        take_t       take;    // what the lane takes: nothing, a zero, memory, the word read before
        logic [31:0] address;
    } left_t;
    typedef struct packed {
        logic        drain;   // the column begins to shift its sums down
        logic        load;    // the column loads what the lane takes
        take_t       take;
        logic [31:0] address;
    } top_t;
    typedef struct packed {
        logic        shows;   // the array shows a result in this cycle
        logic        kept;    // the old sum is the one read before
        logic        read;    // the old sum is read
        logic        write;   // the result is written
        logic [7:0]  tap;     // row at the bottom of the used part of the array
        logic [31:0] address;
    } result_t;
    /* verilator lint_off ASCRANGE */
    typedef struct packed {
        logic [3:0]         enable;
        left_t   [0:ROWS-1] left;
        top_t    [0:COLS-1] top;
        result_t [0:COLS-1] result;
    } command_t;
    /* verilator lint_on ASCRANGE */

    logic signed [LEFT_BITS-1:0] left_image[WORDS];
    logic signed [ TOP_BITS-1:0] top_image [WORDS];
    logic signed [ SUM_BITS-1:0] image     [WORDS];
    logic signed [ SUM_BITS-1:0] expected  [WORDS];

    string prefix;
    int array, words, file;
    command_t command;
    logic reset;
    initial begin
        if (!$value$plusargs("prefix=%s", prefix)) $fatal(1, "+prefix is missing");
        if (!$value$plusargs("array=%d", array)) $fatal(1, "+array is missing");
        if (!$value$plusargs("words=%d", words)) $fatal(1, "+words is missing");
        if (words > WORDS) $fatal(1, "built for %0d words", WORDS);
        $readmemh({prefix, "left.hex"}, left_image);
        $readmemh({prefix, "top.hex"}, top_image);
        $readmemh({prefix, "expected.hex"}, expected);
        file = $fopen({prefix, "commands.hex"}, "r");
        if (file == 0) $fatal(1, "no commands.hex");
        command = '0;
        reset = 1;
        // A word that nobody writes shall not look right by chance.
        for (int k = 0; k < words; k++) image[k] = ~expected[k];
    end

    // The lanes: memory, zero or a word kept from an earlier cycle of the same array cycle. An idle
    // lane carries rubbish, which the array must not use.
    localparam logic [31:0] RUBBISH = 32'h5a5a5a5b;
    logic                        enable;
    logic                        left_valid[ROWS], left_first[ROWS], left_last[ROWS];
    logic signed [LEFT_BITS-1:0] left[ROWS], left_kept[ROWS];
    logic                        top_valid[COLS], load[COLS], drain[COLS];
    logic signed [ TOP_BITS-1:0] top[COLS], top_kept[COLS];
    logic        [          7:0] tap[COLS];
    logic signed [ SUM_BITS-1:0] old_sum[COLS], old_kept[COLS];
    always_comb begin
        enable = command.enable[0];
        for (int i = 0; i < ROWS; i++) begin
            left_valid[i] = command.left[i].take != IDLE;
            left_first[i] = command.left[i].first;
            left_last[i]  = command.left[i].last;
            case (command.left[i].take)
                IDLE: left[i] = LEFT_BITS'(RUBBISH);
                ZERO: left[i] = 0;
                READ: left[i] = left_image[command.left[i].address];
                KEPT: left[i] = left_kept[i];
            endcase
        end
        for (int j = 0; j < COLS; j++) begin
            top_valid[j] = command.top[j].take != IDLE;
            load[j]      = command.top[j].load;
            drain[j]     = command.top[j].drain;
            case (command.top[j].take)
                IDLE: top[j] = TOP_BITS'(RUBBISH);
                ZERO: top[j] = 0;
                READ: top[j] = top_image[command.top[j].address];
                KEPT: top[j] = top_kept[j];
            endcase
            tap[j]     = command.result[j].tap;
            old_sum[j] = command.result[j].read ? image[command.result[j].address]
                       : command.result[j].kept ? old_kept[j] : 0;
        end
    end
    always_ff @(posedge clk) begin
        for (int i = 0; i < ROWS; i++) left_kept[i] <= left[i];
        for (int j = 0; j < COLS; j++) begin
            top_kept[j] <= top[j];
            old_kept[j] <= old_sum[j];
        end
    end

    // One array of each kind; the chosen one is enabled.
    logic                       valids [6][COLS];
    logic signed [SUM_BITS-1:0] results[6][COLS];
    for (genvar n = 0; n < 4; n++) begin : os
        os_array #(
            .ROWS(ROWS), .COLS(COLS),
            .LEFT_BITS(LEFT_BITS), .TOP_BITS(TOP_BITS), .SUM_BITS(SUM_BITS),
            .DRAIN(n < 2 ? 0 : n - 1), .SHADOW(n == 1)
        ) dut (
            .enable(enable && array == n), .result_valid(valids[n]), .result(results[n]), .*
        );
    end
    for (genvar n = 4; n < 6; n++) begin : ws
        ws_array #(
            .ROWS(ROWS), .COLS(COLS),
            .LEFT_BITS(LEFT_BITS), .TOP_BITS(TOP_BITS), .SUM_BITS(SUM_BITS),
            .DOUBLE(n == 5)
        ) dut (
            .enable(enable && array == n), .result_valid(valids[n]), .result(results[n]), .*
        );
    end

    // What the array shows against what the commands say, and the writes.
    int cycle, advanced, last_result, written, wrong;
    logic ended;
    initial begin
        cycle = -1;
        advanced = 0;
        last_result = -1;
        written = 0;
        wrong = 0;
        ended = 0;
    end
    task automatic complain(input string what, input int column);
        if (wrong < 5) $display("cycle %0d, column %0d: %s", cycle, column, what);
        wrong++;
    endtask
    always_ff @(posedge clk) begin
        automatic command_t next;
        automatic int writes = 0;
        if (!reset)
            for (int j = 0; j < COLS; j++) begin
                if (enable && valids[array][j] != command.result[j].shows)
                    complain(valids[array][j] ? "an unexpected result" : "no result", j);
                if (enable && valids[array][j]) last_result <= cycle;
                if (command.result[j].write) begin
                    if (!valids[array][j]) complain("nothing to write", j);
                    image[command.result[j].address] <= results[array][j];
                    writes++;
                end
            end
        written <= written + writes;
        advanced <= advanced + int'(enable);
        if (ended) finish();
        else if ($fscanf(file, "%h\n", next) == 1) begin
            command <= next;
            cycle <= cycle + 1;
            reset <= 0;
        end else begin
            command <= '0;
            ended <= 1;
        end
    end
    task automatic finish();
        for (int k = 0; k < words; k++)
            if (image[k] != expected[k]) begin
                if (wrong < 5) $display("word %0d: %0d instead of %0d", k, image[k], expected[k]);
                wrong++;
            end
        $display("%s wrong=%0d cycles=%0d advanced=%0d last_result=%0d written=%0d",
                 wrong == 0 ? "PASS" : "FAIL", wrong, cycle + 1, advanced, last_result, written);
        $finish;
    endtask
endmodule
