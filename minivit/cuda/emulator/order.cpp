// What happens before what: the vector clocks of racecheck.
//
// - A barrier orders all threads of a block: the block's epoch grows.
// - A __syncwarp() orders those that meet in it: each thread has a clock and knows how far it has seen every lane of its
//   warp (`seen`, a vector clock: Mattern 1989). Shuffles and votes exchange values and order no memory.
// - __threadfence() and then an atomic publish what a thread did before; an atomic acquires what was published: flags,
//   locks, tickets. Within a block __threadfence_block() is enough. An atomic on any address counts: which one a kernel
//   means is not known.
#include "order.h"

#include "block.h"
#include "zeroed.h"

#include <string.h>

namespace order {

static uint32_t clocks[block::MOST_THREADS], seen[block::MOST_THREADS][block::WARP];

// What fences and atomics order. Within the block: up to which clock every thread has published what it did, and what of
// that each thread has acquired.
enum Fence : uint8_t { NO_FENCE, OF_THE_BLOCK, OF_THE_DEVICE };
static Fence fenced[block::MOST_THREADS];       // the thread's last one, if it has written no global memory since
static bool any_published, has_acquired[block::MOST_THREADS];
static uint32_t published[block::MOST_THREADS], acquired[block::MOST_THREADS][block::MOST_THREADS];

// Between blocks: warps of a block in one epoch. All that the block did in earlier epochs is published too; what it
// does in later ones, it does with what was acquired.
struct Moment { uint32_t epoch, warps; };
static Moment *last_published, first_acquired;  // of every block; of the current one
static long last_published_count;

void begin_launch(long blocks) { zeroed(last_published, last_published_count, blocks); }

void begin_block() {
    for (uint32_t& clock : clocks) clock = 1;
    memset(seen, 0, sizeof seen);
    memset(fenced, 0, sizeof fenced);
    memset(published, 0, sizeof published);
    memset(has_acquired, 0, sizeof has_acquired);
    any_published = false;
    first_acquired = {};
}

static void raise_to(uint32_t& clock, uint32_t least) {
    if (clock < least) clock = least;
}

void wrote_global() { fenced[block::current] = NO_FENCE; }

void fence(bool device) {
    Fence& it = fenced[block::current];
    if (it != OF_THE_DEVICE) it = device ? OF_THE_DEVICE : OF_THE_BLOCK;
}

static void publish(int thread, int warp) {
    for (int lane = 0; lane < block::WARP; ++lane) raise_to(published[warp * block::WARP + lane], seen[thread][lane]);
    published[thread] = clocks[thread]++;
    any_published = true;
    if (fenced[thread] != OF_THE_DEVICE) return;
    Moment& last = last_published[block::number];
    if (last.epoch != block::epoch) last = {block::epoch, 0};
    last.warps |= 1u << warp;
}

void synchronise() {
    int thread = block::current, warp = block::warp_of(thread);
    if (fenced[thread]) publish(thread, warp);
    if (any_published) {
        memcpy(acquired[thread], published, sizeof published);
        has_acquired[thread] = true;
    }
    if (!first_acquired.epoch) first_acquired.epoch = block::epoch;
    if (first_acquired.epoch == block::epoch) first_acquired.warps |= 1u << warp;
}

static void share_acquired(int first, unsigned lanes) {     // in a warp that begins with thread `first`
    static uint32_t all[block::MOST_THREADS];
    bool any = false;
    memset(all, 0, sizeof all);
    for (int lane = 0; lane < block::WARP; ++lane) {
        if (!(lanes >> lane & 1) || !has_acquired[first + lane]) continue;
        any = true;
        for (int thread = 0; thread < block::size; ++thread) raise_to(all[thread], acquired[first + lane][thread]);
    }
    for (int lane = 0; lane < block::WARP && any; ++lane) {
        if (!(lanes >> lane & 1)) continue;
        memcpy(acquired[first + lane], all, sizeof all);
        has_acquired[first + lane] = true;
    }
}

void warp_met(int warp, unsigned lanes) {
    uint32_t known[block::WARP] = {};                   // what any of them has seen, all of them know now
    uint32_t (*of_warp)[block::WARP] = seen + warp * block::WARP;
    uint32_t* clock = clocks + warp * block::WARP;
    for (int lane = 0; lane < block::WARP; ++lane) {
        if (!(lanes >> lane & 1)) continue;
        for (int other = 0; other < block::WARP; ++other) raise_to(known[other], of_warp[lane][other]);
    }
    for (int lane = 0; lane < block::WARP; ++lane)
        if (lanes >> lane & 1) known[lane] = clock[lane]++;
    for (int lane = 0; lane < block::WARP; ++lane)
        if (lanes >> lane & 1) memcpy(of_warp[lane], known, sizeof known);
    if (any_published) share_acquired(warp * block::WARP, lanes);
}

static bool ordered_across_blocks(const When& before) {
    const Moment &last = last_published[before.block - 1], &first = first_acquired;
    bool published = before.epoch < last.epoch
                  || (before.epoch == last.epoch && last.warps >> block::warp_of(before.thread) & 1);
    return published && first.epoch
        && (first.epoch < block::epoch || first.warps >> block::warp_of(block::current) & 1);
}

bool happened_before(const When& before) {
    int me = block::current;
    if (before.block != block::number + 1) return ordered_across_blocks(before);
    if (before.thread == me || before.epoch != block::epoch) return true;
    if (has_acquired[me] && before.clock <= acquired[me][before.thread]) return true;
    return block::warp_of(before.thread) == block::warp_of(me) && before.clock <= seen[me][before.thread % block::WARP];
}

When now() { return {(uint32_t)block::number + 1, block::epoch, clocks[block::current], (uint16_t)block::current}; }

}
