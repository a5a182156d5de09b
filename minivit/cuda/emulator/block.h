// One block of threads: who may run, who waits for whom.
#pragma once
#include "seam.h"

namespace block {
    constexpr int MOST_THREADS = 1024, WARP = 32, MOST_WARPS = MOST_THREADS / WARP;

    enum Wait { NOTHING, BARRIER, SYNCWARP, SHUFFLE, BALLOT, ACTIVEMASK };

    struct Thread {
        uint3 index;                    // its threadIdx
        void* saved;                    // where it goes on, while another runs
        int stack;
        Wait wait;                      // what it waits for, and in which line
        int line;
        unsigned mask;                  // of an exchange: the lanes that take part,
        unsigned long long value;       // what it gives, then what it gets,
        int source;                     // and the lane whose value it wants
    };

    // A bit for every lane. A lane is fresh, then ready or waiting: at a barrier, `exchanging` with the lanes of a
    // mask, or `gathering` in __activemask(). At last it is not live.
    struct Warp { unsigned live, fresh, ready, exchanging, gathering; };

    enum Order { ASCENDING, DESCENDING, RANDOM };

    extern Thread threads[MOST_THREADS];
    extern Warp warps[MOST_WARPS];
    extern int size, current;           // threads in the block; the one that runs
    extern long number;                 // of the block within the grid
    extern unsigned epoch;              // how many barriers the block has passed, in this launch

    enum State { RUNNING, DONE, STUCK_FOREVER, STOPPED, INTERRUPTED };

    void set_shape(dim3 shape, Order order, unsigned seed);
    void begin(long number, void (*kernel)(void**), void** arguments);
    State run();                        // until the block is done, or something else has happened
    void leave(State why);              // called on a fiber: back to run()'s caller; INTERRUPTED may be run() again

    inline int warp_of(int thread) { return thread / WARP; }
    inline unsigned bit_of(int thread) { return 1u << thread % WARP; }

    // For threads that meet:
    void wait();                        // the current thread waits; others run until it is woken
    void wake(int warp, unsigned lanes);
}
