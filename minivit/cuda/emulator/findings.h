// What the checks found, as plain numbers; messages.py makes sentences of them.
#pragma once

namespace findings {
    enum Kind {
        // memcheck
        OUT_OF_BOUNDS, NO_ARRAY, MISALIGNED, CONST_WRITTEN, BEYOND_SHARED, GUARD_CHANGED, CRASH, STACK_OVERFLOW,
        // synccheck
        DIVERGENT_BARRIER, BARRIER_AFTER_RETURN, STUCK, NOT_IN_MASK, LANE_ABSENT, MASKS_DIFFER,
        // initcheck
        UNINITIALISED,
        // racecheck: what came first, what came second
        WRITE_WRITE, WRITE_READ, READ_WRITE,
        // and what ends a kernel
        ASSERTION, TRAP, TOO_LONG, DIVISION,
    };

    enum Array { SHARED = -1, NONE = -2, MODULE = -3 };     // else: the number of a parameter

    struct Finding {
        int kind, count;
        int thread, other_thread;                   // numbers within the block, -1 where there is none
        long block, other_block;                    // numbers within the grid
        int line, other_line;                       // with its file's number (seam.h); 0: see pc
        const void *pc, *other_pc;                  // where the instruction stands
        int array, bytes;
        long offset;                                // bytes from the array's first element
        int write, same_value;
        unsigned mask;
        int lane;
        const char* text;                           // of an assertion
    };

    constexpr int MOST = 256;
    extern Finding list[MOST];
    extern int count;

    Finding make(Kind kind);                        // filled with the thread that runs now
    Finding* add(const Finding& finding);           // equal ones are counted, not kept
    void clear();
}
