// The checks of every single load and store, in kernels that were compiled for them.
#pragma once

namespace checks {
    // Bytes before and after a kernel's shared memory that are nobody's: what runs over must not meet Python's memory.
    constexpr long SHARED_GUARD = 16 << 10;

    // Where a kernel's own things lie: its code and static data, and its shared memory.
    struct Module {
        char *low, *high, *load_address;
        char* shared;
        long shared_bytes, dynamic_offset, dynamic_bytes;       // within the shared segment; as declared
        const long* variables;                                  // start and end of each variable in it, sorted
        long variable_count;
    };

    extern bool on;
    extern Module module;
    extern const void* last_pc;                                 // of the last access that was checked
    extern long dynamic_used;                                   // bytes of dynamic shared memory in this launch

    void begin_launch(long blocks);
    void begin_block();
    void end_block();
    void block_met();                                           // all threads of the block have come to a barrier
    void warp_met(int warp, unsigned lanes);                    // these lanes have come to a __syncwarp()
}
