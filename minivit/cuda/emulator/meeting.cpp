// How threads meet: the barriers of a block, the exchanges of a warp.
#include "meeting.h"

#include "block.h"
#include "checks.h"
#include "findings.h"

namespace meeting {

using namespace block;

// ---- the barrier of the block ----------------------------------------------------------------------------------

int live;
static int at_barrier;                  // threads that wait at a barrier
static int votes, vote_result;          // of __syncthreads_count and its like
static int a_returned;                  // a thread that has returned, or -1

void begin() { live = size, at_barrier = 0, votes = 0, a_returned = -1; }

// All threads that have not returned wait at a barrier: they go on. They may have come to different ones.
static void open_barrier() {
    int first = -1;
    for (int thread = 0; thread < size; ++thread) {
        Thread& it = threads[thread];
        if (it.wait != BARRIER) continue;
        if (first < 0) first = thread;
        if (it.line != threads[first].line) {
            findings::Finding finding = findings::make(findings::DIVERGENT_BARRIER);
            finding.thread = thread, finding.line = it.line;
            finding.other_thread = first, finding.other_line = threads[first].line;
            findings::add(finding);
            break;
        }
    }
    if (a_returned >= 0 && checks::on) {
        findings::Finding finding = findings::make(findings::BARRIER_AFTER_RETURN);
        finding.thread = first, finding.line = threads[first].line, finding.other_thread = a_returned;
        findings::add(finding);
    }
    vote_result = votes;
    votes = at_barrier = 0;
    ++epoch;
    for (int warp = 0; warp * WARP < size; ++warp) wake(warp, warps[warp].live);
    if (checks::on) checks::block_met();
}

static void come_to_barrier(int line) {
    threads[current].wait = BARRIER;
    threads[current].line = line;
    if (++at_barrier == live) open_barrier();
    wait();
}

// ---- exchanges within a warp -----------------------------------------------------------------------------------

static void report_lane(findings::Kind kind, int thread, int other, unsigned mask, int lane) {
    findings::Finding finding = findings::make(kind);
    finding.thread = thread, finding.line = threads[thread].line, finding.mask = mask, finding.lane = lane;
    finding.other_thread = other;
    finding.other_line = other < 0 ? 0 : threads[other].line;
    findings::add(finding);
}

static bool same_call(const Thread& a, const Thread& b) {
    return a.wait == b.wait && a.mask == b.mask && a.line == b.line;
}

// Do these lanes wait for one that can still come: do they, or those that they wait for, and so on?
static bool waits_for_others(int warp_number, unsigned lanes) {
    const Warp& warp = warps[warp_number];
    for (unsigned known = 0; known != lanes;) {
        known = lanes;
        if (known & ~warp.exchanging) return true;
        for (unsigned rest = known; rest; rest &= rest - 1)
            lanes |= threads[warp_number * WARP + __builtin_ctz(rest)].mask & warp.live;
    }
    return false;
}

// If all lanes of `mask` that have not returned are here, gives each what it came for and lets them go on.
static void try_exchange(int warp_number, unsigned mask) {
    Warp& warp = warps[warp_number];
    Thread* lanes = threads + warp_number * WARP;
    unsigned here = mask & warp.live, elsewhere = 0;
    if (!here || (warp.exchanging & here) != here) return;
    Thread& first = lanes[__builtin_ctz(here)];
    for (unsigned rest = here; rest; rest &= rest - 1)
        if (!same_call(lanes[__builtin_ctz(rest)], first)) elsewhere |= rest & -rest;
    if (elsewhere && waits_for_others(warp_number, here)) return;
    unsigned ballot = 0;
    unsigned long long values[WARP];
    for (unsigned rest = here; rest; rest &= rest - 1) {
        int lane = __builtin_ctz(rest);
        Thread& it = lanes[lane];
        if (elsewhere >> lane & 1)
            report_lane(findings::MASKS_DIFFER, warp_number * WARP + lane, &first - threads, it.mask, 0);
        values[lane] = it.value;
        ballot |= (it.value != 0) << lane;
    }
    for (unsigned rest = here; rest; rest &= rest - 1) {
        int lane = __builtin_ctz(rest);
        Thread& it = lanes[lane];
        if (it.wait == BALLOT) it.value = ballot;
        if (it.wait != SHUFFLE || it.source == lane) continue;
        if (it.source >= 0 && it.source < WARP && here >> it.source & 1) {
            it.value = values[it.source];
        } else {
            report_lane(findings::LANE_ABSENT, warp_number * WARP + lane, -1, it.mask, it.source);
            it.value = ~0ull;                           // NaN
        }
    }
    if (first.wait == SYNCWARP && checks::on) checks::warp_met(warp_number, here);
    warp.exchanging &= ~here;
    wake(warp_number, here);
}

static unsigned long long exchange(Wait kind, unsigned mask, unsigned long long value, int source, int line) {
    Thread& self = threads[current];
    self.wait = kind, self.line = line, self.value = value, self.source = source, self.mask = mask;
    if (!(mask & bit_of(current))) {
        report_lane(findings::NOT_IN_MASK, current, -1, mask, current % WARP);
        self.mask = mask |= bit_of(current);
    }
    warps[warp_of(current)].exchanging |= bit_of(current);
    try_exchange(warp_of(current), mask);
    wait();
    return self.value;
}

// __activemask(): no lane of the warp can go on; those that have come to the same line are together.
void release_gathered(int warp_number) {
    Warp& warp = warps[warp_number];
    Thread* lanes = threads + warp_number * WARP;
    int line = lanes[__builtin_ctz(warp.gathering)].line;
    unsigned together = 0;
    for (unsigned rest = warp.gathering; rest; rest &= rest - 1)
        if (lanes[__builtin_ctz(rest)].line == line) together |= rest & -rest;
    for (unsigned rest = together; rest; rest &= rest - 1) lanes[__builtin_ctz(rest)].value = together;
    warp.gathering &= ~together;
    wake(warp_number, together);
}

static unsigned gather(int line) {
    Thread& self = threads[current];
    self.wait = ACTIVEMASK, self.line = line;
    warps[warp_of(current)].gathering |= bit_of(current);
    wait();
    return (unsigned)self.value;
}

void returned() {                                       // the current thread is done: who waited only for it?
    Warp& warp = warps[warp_of(current)];
    warp.live &= ~bit_of(current);
    a_returned = current;
    --live;
    if (live && at_barrier == live) open_barrier();
    for (unsigned rest = warp.exchanging; rest; rest &= rest - 1) {
        int lane = __builtin_ctz(rest);
        if (warp.exchanging >> lane & 1) try_exchange(warp_of(current), threads[warp_of(current) * WARP + lane].mask);
    }
}

}

// ---- the seam --------------------------------------------------------------------------------------------------

using namespace meeting;

void minivit_syncthreads(int line) { come_to_barrier(line); }

int minivit_syncthreads_vote(int predicate, int line) {
    votes += predicate != 0;
    come_to_barrier(line);
    return vote_result;
}

void minivit_syncwarp(unsigned mask, int line) { exchange(SYNCWARP, mask, 0, 0, line); }

unsigned minivit_ballot(unsigned mask, int predicate, int line) {
    return (unsigned)exchange(BALLOT, mask, predicate, 0, line);
}

unsigned long long minivit_shuffle(unsigned mask, unsigned long long value, int source, int line) {
    return exchange(SHUFFLE, mask, value, source, line);
}

unsigned minivit_activemask(int line) { return gather(line); }

int minivit_lane() { return block::current % block::WARP; }
