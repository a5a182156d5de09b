// How well memory is used, by each instruction: sectors of global memory, passes over the banks of shared memory.
#pragma once

namespace profile {
    struct Count {
        const void* pc;
        long requests;                  // by a warp: one for all its threads that execute the instruction together
        long sectors, ideal_sectors;    // of 32 bytes
        long passes, ideal_passes;
    };

    void begin_launch(const char* low, const char* high);       // the code's addresses
    void global(const void* pc, const char* address, int bytes);
    void shared(const void* pc, const char* address, int bytes);
    void flush();
    int counts(Count* into, int most);
}
