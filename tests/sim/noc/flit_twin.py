"""The slow, obvious twin of the flit-level kernel: objects, dictionaries, one rule after another.

A mesh with XY routing, wormhole, look-ahead, separable input-first allocators of one iteration,
every stage of one cycle. Nothing is shared with the kernel.
"""

from collections import defaultdict, deque

EAST, WEST, NORTH, SOUTH, LOCAL = range(5)
OPPOSITE = {EAST: WEST, WEST: EAST, NORTH: SOUTH, SOUTH: NORTH}


class Arbiter:
    """Round-robin: the first asker from the pointer on; moves on when told that it counted."""

    def __init__(self, size):
        self.size, self.pointer = size, 0

    def pick(self, askers):
        return min(askers, key=lambda asker: (asker - self.pointer) % self.size)

    def moved(self, winner):
        self.pointer = (winner + 1) % self.size


def match(wishes, input_arbiters, output_arbiters):
    """Return {input: output}: inputs pick outputs, then outputs inputs; matches move arbiters."""
    asked = defaultdict(list)
    for given, outputs in wishes.items():
        asked[input_arbiters[given].pick(outputs)].append(given)
    matched = {}
    for output, inputs in asked.items():
        winner = output_arbiters[output].pick(inputs)
        matched[winner] = output
        input_arbiters[winner].moved(output)
        output_arbiters[output].moved(winner)
    return matched


class TwinMesh:
    """``packets``: list of (source, target, flits, release); ``run`` returns delivery cycles."""

    def __init__(self, width, height, vcs, depth, link_cycles=1, credit_cycles=1):
        self.width, self.height, self.vcs, self.depth = width, height, vcs, depth
        self.link, self.credit = link_cycles, credit_cycles
        size = 5 * vcs
        routers = range(width * height)
        self.buffers = {(r, p, v): deque() for r in routers for p in range(5) for v in range(vcs)}
        self.holds = {}  # input lane -> (output port, vc)
        self.waiting = set()  # input lanes whose head wants a virtual channel
        self.ready = {}  # input lane -> first cycle in which it may bid for the switch
        self.taken = set()  # (router, output port, vc)
        self.room = defaultdict(lambda: depth)
        self.vc_in = {(r, i): Arbiter(size) for r in routers for i in range(size)}
        self.vc_out = {(r, i): Arbiter(size) for r in routers for i in range(size)}
        self.switch_in = {(r, i): Arbiter(5) for r in routers for i in range(5)}
        self.switch_out = {(r, i): Arbiter(5) for r in routers for i in range(5)}
        self.lane_turn = {(r, i): Arbiter(vcs) for r in routers for i in range(5)}
        self.events = defaultdict(list)

    def route(self, router, target):
        x, y = router % self.width, router // self.width
        goal_x, goal_y = target % self.width, target // self.width
        if goal_x != x:
            return EAST if goal_x > x else WEST
        if goal_y != y:
            return NORTH if goal_y > y else SOUTH
        return LOCAL

    def neighbour(self, router, port):
        return router + {EAST: 1, WEST: -1, NORTH: self.width, SOUTH: -self.width}[port]

    def run(self, packets, limit=100_000):
        self.packets = packets
        self.delivered = {}
        queues = defaultdict(deque)
        for number, (source, *_) in enumerate(packets):
            queues[source].append(number)
        self.sources = {
            source: {"queue": queue, "sent": 0, "vc": None, "last": -1, "held": set()}
            for source, queue in queues.items()
        }
        cycle = 0
        while len(self.delivered) < len(packets):
            assert cycle < limit
            for event in self.events.pop(cycle, []):
                event(cycle)
            for source, state in self.sources.items():
                self.inject(source, state, cycle)
            for router in range(self.width * self.height):
                self.work(router, cycle)
            cycle += 1
        return [self.delivered[i] for i in range(len(packets))]

    def inject(self, source, state, cycle):
        if not state["queue"] or self.packets[state["queue"][0]][3] > cycle:
            return
        number = state["queue"][0]
        if state["vc"] is None:
            for step in range(1, self.vcs + 1):
                vc = (state["last"] + step) % self.vcs
                if self.room[source, "terminal", vc]:
                    state["vc"] = state["last"] = vc
                    break
            else:
                return
        vc = state["vc"]
        if not self.room[source, "terminal", vc]:
            return
        self.room[source, "terminal", vc] -= 1
        flit = (number, state["sent"])
        self.events[cycle + 2].append(lambda now: self.arrive((source, LOCAL, vc), flit, now))
        state["sent"] += 1
        if state["sent"] == self.packets[number][2]:
            state["queue"].popleft()
            state["sent"], state["vc"] = 0, None

    def arrive(self, lane, flit, cycle):
        self.buffers[lane].append(flit)
        if len(self.buffers[lane]) == 1:
            self.front(lane, cycle)

    def front(self, lane, cycle):
        if self.buffers[lane][0][1] == 0:
            self.waiting.add((cycle, lane))
        else:
            self.ready[lane] = cycle

    def work(self, router, cycle):
        vcs = self.vcs
        heads = {lane: since for since, lane in self.waiting if lane[0] == router}
        wishes = {}
        for lane, since in heads.items():
            out = self.route(router, self.packets[self.buffers[lane][0][0]][1])
            free = [out * vcs + v for v in range(vcs) if (router, out, v) not in self.taken]
            if free and since <= cycle:
                wishes[lane[1] * vcs + lane[2]] = free
        won_vcs = match(
            wishes,
            {i: self.vc_in[router, i] for i in range(5 * vcs)},
            {i: self.vc_out[router, i] for i in range(5 * vcs)},
        )
        bids = {}
        for lane, since in self.ready.items():
            if lane[0] == router and since <= cycle and lane in self.holds:
                out, vc = self.holds[lane]
                if self.room[router, out, vc]:
                    bids.setdefault(lane[1], {}).setdefault(out, []).append(lane[2])
        won_switch = match(
            {port: list(outputs) for port, outputs in bids.items()},
            {i: self.switch_in[router, i] for i in range(5)},
            {i: self.switch_out[router, i] for i in range(5)},
        )
        senders = []
        for port, out in won_switch.items():
            turn = self.lane_turn[router, port]
            vc = turn.pick(bids[port][out])
            turn.moved(vc)
            senders.append((router, port, vc))
        for index, output in won_vcs.items():
            lane = (router, index // vcs, index % vcs)
            self.waiting.remove((heads[lane], lane))
            self.holds[lane] = (output // vcs, output % vcs)
            self.taken.add((router, *self.holds[lane]))
            self.ready[lane] = cycle + 1
        for lane in senders:
            self.send(lane, cycle)

    def send(self, lane, cycle):
        router, port, vc = lane
        out, out_vc = self.holds[lane]
        flit = self.buffers[lane].popleft()
        del self.ready[lane]
        number, index = flit
        self.room[router, out, out_vc] -= 1
        if out == LOCAL:

            def eject(now):
                if index == self.packets[number][2] - 1:
                    self.delivered[number] = now
                self.back(now + 2 + self.credit, (router, LOCAL, out_vc))

            self.events[cycle + 3].append(eject)
        else:
            goal = (self.neighbour(router, out), OPPOSITE[out], out_vc)
            arrival = cycle + 2 + self.link
            self.events[arrival].append(lambda now: self.arrive(goal, flit, now))
        if port == LOCAL:
            self.back(cycle + 2, (router, "terminal", vc))
        else:
            upstream = (self.neighbour(router, port), OPPOSITE[port], vc)
            self.back(cycle + 1 + self.link + self.credit, upstream)
        if index == self.packets[number][2] - 1:
            self.taken.discard((router, out, out_vc))
            del self.holds[lane]
        if self.buffers[lane]:
            self.front(lane, cycle + 1)

    def back(self, cycle, key):
        def credit(_now):
            self.room[key] += 1

        self.events[cycle].append(credit)
