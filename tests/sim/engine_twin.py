"""DMA engines at one DRAM, a cycle at a time: the twin of ``dram_channel`` with several of them."""

from __future__ import annotations

from random import Random

from test_dram_channel import transfer_of

from arraysmith.sim.dram.controller import Controller


def program_of(random: Random):
    """Transfers of one engine, each with the cycle from which it may begin."""
    found, release = [], 0
    for _ in range(random.randint(1, 3)):
        base = random.randrange(1 << 14) * 64
        step, outward = random.choice((64, 8192, 1 << 17)), random.random() < 0.4
        requests = [(base + i * step, 64) for i in range(random.randint(1, 12))]
        release += random.choice((0, 0, 9, 300))
        found.append((release, transfer_of(requests, outward=outward)))
    return found


def serve(env, channel, program, timings):
    """One engine in a simulation; what its transfers took goes to ``timings``."""
    for release, transfer in program:
        yield env.timeout(max(0, release - env.now))
        timings.append((yield from channel.transfer(transfer)))


def stepped(memory, clock_hz, programs):
    """Issue and return of every request of every engine, a cycle at a time.

    Every engine asks as soon as it may; who asks in the same cycle of the memory takes turns.
    """
    device = memory.dram.device
    ratio = device.cycles_per(clock_hz)
    controller = Controller(device)  # in cycles of the memory
    many = len(programs)
    todo = [
        [
            (release, k, (int(a), int(n), transfer.outward))
            for release, transfer in program
            for k, (a, n) in enumerate(
                zip(transfer.bursts().address, transfer.bursts().size, strict=True)
            )
        ]
        for program in programs
    ]
    found = [[] for _ in programs]
    backs = [[] for _ in programs]
    free = [0] * many  # own cycle from which the engine can go on
    owner, returned = {}, {}
    turn, tick = 0, 0

    def own(cycle):
        return -(-cycle * ratio.denominator // ratio.numerator)

    while any(len(b) < len(t) for b, t in zip(backs, todo, strict=True)):
        back = controller.advance(tick)
        for ident, cycle in zip(back.ident.tolist(), back.returned.tolist(), strict=True):
            returned[owner[ident]] = own(cycle)
        for e in range(many):
            while (e, len(backs[e])) in returned:
                earlier = backs[e][-1:]
                backs[e].append(max([returned[e, len(backs[e])], *earlier]))
        asked = True
        while asked:
            asked = False
            for e in ((turn + i) % many for i in range(many)):
                k = len(found[e])
                if k == len(todo[e]):
                    continue
                release, first, (address, size, outward) = todo[e][k]
                cycle = max(free[e], release) if first == 0 else found[e][-1]
                awaited = k - memory.requests_in_flight
                if awaited >= len(backs[e]):
                    continue
                if awaited >= 0:
                    cycle = max(cycle, backs[e][awaited])
                if -(-cycle * ratio.numerator // ratio.denominator) != tick:
                    continue
                ident = controller.submit(address, size, outward, tick)[0]
                owner[int(ident)] = e, k
                found[e].append(cycle)
                free[e] = cycle + 1
                turn, asked = (e + 1) % many, True
                break
        tick += 1
    return [list(zip(i, b, strict=True)) for i, b in zip(found, backs, strict=True)]
