// The schedule of one block: which thread runs.
//
// A thread runs until it waits or is done; then it hands over to the next one itself. Which one is next is free, as on
// a GPU: the lowest that can run (ascending), the highest, or any (random). A kernel whose result depends on the order
// is wrong. Unless the order is random, a warp runs until all of it waits, so that its stacks stay in the cache.
#include "block.h"

#include "fiber.h"
#include "meeting.h"

const uint3* minivit_threadIdx;
uint3 minivit_blockIdx;
dim3 minivit_blockDim, minivit_gridDim;

namespace block {

Thread threads[MOST_THREADS];
Warp warps[MOST_WARPS];
int size, current;
long number;
unsigned epoch;

static unsigned runnable;               // a bit for every warp that has fresh or ready lanes
static Order order;
static unsigned random_state;
static void (*kernel)(void**);
static void** arguments;
static void *launcher, *interrupted;    // where run()'s caller goes on; where an interrupted fiber does
static State state, left;               // how the block ended; why a signal handler left it, or RUNNING

// ---- who is next -----------------------------------------------------------------------------------------------

static unsigned random_number() {                       // xorshift32: Marsaglia 2003
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    return random_state ^= random_state << 5;
}

static int pick(unsigned bits) {
    if (order == ASCENDING) return __builtin_ctz(bits);
    if (order == DESCENDING) return 31 - __builtin_clz(bits);
    for (int skip = random_number() % __builtin_popcount(bits); skip > 0; --skip) bits &= bits - 1;
    return __builtin_ctz(bits);
}

static int next() {                                     // a thread that can run, or -1
    int warp = warp_of(current);
    if (warps[warp].gathering && !(warps[warp].fresh | warps[warp].ready)) meeting::release_gathered(warp);
    if (!runnable) return -1;
    if (order == RANDOM || !(runnable >> warp & 1)) warp = pick(runnable);
    return warp * WARP + pick(warps[warp].fresh | warps[warp].ready);
}

static bool claim(int thread) {                         // it runs now; was it fresh?
    Warp& warp = warps[warp_of(thread)];
    unsigned bit = bit_of(thread);
    bool fresh = warp.fresh & bit;
    warp.fresh &= ~bit;
    warp.ready &= ~bit;
    if (!(warp.fresh | warp.ready)) runnable &= ~(1u << warp_of(thread));
    current = thread;
    minivit_threadIdx = &threads[thread].index;
    threads[thread].wait = NOTHING;
    return fresh;
}

void wake(int warp, unsigned lanes) {
    if (!lanes) return;
    warps[warp].ready |= lanes;
    runnable |= 1u << warp;
}

// ---- threads ---------------------------------------------------------------------------------------------------

// What every fiber does: run a thread, then the next fresh one on the same stack, or hand over to one that waited.
static void fiber_main() {
    for (;;) {
        int stack = threads[current].stack;
        kernel(arguments);
        meeting::returned();
        int thread = next();
        if (thread >= 0 && claim(thread)) {
            threads[thread].stack = stack;
            continue;
        }
        fiber::give_back(stack);
        void* dropped;
        if (thread >= 0) minivit_switch(&dropped, threads[thread].saved);
        state = meeting::live ? STUCK_FOREVER : DONE;
        minivit_switch(&dropped, launcher);
    }
}

void wait() {                                           // the current thread waits; others run until it may go on
    Thread& self = threads[current];
    int thread = next();
    if (thread < 0) {
        state = STUCK_FOREVER;
        minivit_switch(&self.saved, launcher);
    } else if (thread == current) {
        claim(thread);
    } else if (claim(thread)) {
        threads[thread].stack = fiber::take();
        minivit_switch(&self.saved, fiber::start(threads[thread].stack, fiber_main));
    } else {
        minivit_switch(&self.saved, threads[thread].saved);
    }
}

void set_shape(dim3 shape, Order order_, unsigned seed) {
    size = shape.x * shape.y * shape.z;
    order = order_;
    random_state = seed * 2654435761u + 1;
    if (!random_state) random_state = 1;
    epoch = 0;
    for (int thread = 0; thread < size; ++thread)
        threads[thread].index = {thread % shape.x, thread / shape.x % shape.y, thread / shape.x / shape.y};
}

void begin(long number_, void (*kernel_)(void**), void** arguments_) {
    number = number_, kernel = kernel_, arguments = arguments_;
    runnable = 0, current = 0;
    ++epoch;
    meeting::begin();
    for (int warp = 0; warp * WARP < size; ++warp) {
        int lanes = size - warp * WARP;
        unsigned all = lanes >= WARP ? ~0u : (1u << lanes) - 1;
        warps[warp] = {all, all, 0, 0, 0};
        runnable |= 1u << warp;
    }
    fiber::forget();
    interrupted = nullptr;
}

State run() {
    void* to = interrupted;
    interrupted = nullptr;
    left = RUNNING;
    if (!to) {
        claim(next());
        threads[current].stack = fiber::take();
        to = fiber::start(threads[current].stack, fiber_main);
    }
    minivit_switch(&launcher, to);
    return left == RUNNING ? state : left;
}

void leave(State why) {
    void* dropped;
    left = why;
    minivit_switch(why == INTERRUPTED ? &interrupted : &dropped, launcher);
}

}
