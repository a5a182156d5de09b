// racecheck: two accesses to the same bytes, at least one a write, with nothing that orders them.
#pragma once

namespace races {
    void begin_launch(long shared_bytes);
    void global(const char* address, int bytes, bool write, bool atomic, const void* pc, int array, long offset);
    bool shared(long offset, int bytes, bool write, bool atomic, const void* pc);   // true: read before any write
    void settle();                                      // after a write that raced: did it change anything?
    void settle_as_changed();
}
